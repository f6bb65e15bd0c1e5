import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeAmplitude, type FakeAmplitudeOptions, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";

let amplitude: FakeAmplitude;

async function restart(options: FakeAmplitudeOptions): Promise<void> {
  await amplitude.close();
  amplitude = await startFakeAmplitude(options);
}

beforeEach(async () => {
  amplitude = await startFakeAmplitude();
});
afterEach(() => amplitude.close());

type Answer = { status: number; body: Record<string, unknown> };

async function post(events: unknown, more: Record<string, unknown> = {}, url = amplitude.url): Promise<Answer> {
  return postText(JSON.stringify({ api_key: "key", events, ...more }), url);
}

async function postText(
  text: string | Buffer,
  url = amplitude.url,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = typeof text === "string" ? text : new Uint8Array(text);
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

let serial = 0;
const event = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  event_type: "test",
  user_id: "user-1",
  insert_id: `insert-${serial++}`,
  ...more,
});

describe("startFakeAmplitude", () => {
  it.each(["/batch", "/2/httpapi"])("accepts events at %s", async (path) => {
    const { status, body } = await post([event(), event()], {}, amplitude.origin + path);
    expect(status).toBe(200);
    expect(body).toMatchObject({ code: 200, events_ingested: 2 });
    expect(amplitude.events).toHaveLength(2);
    expect(amplitude.requests[0]).toMatchObject({ path, events: 2, status: 200 });
  });

  it("drops an event that came before, by insert_id and device together", async () => {
    const again = { insert_id: "same" };
    await post([event(again), event(again), event({ ...again, device_id: "other-device" })]);
    await post([event({ ...again, user_id: "user-1" })]);
    expect(amplitude.events).toHaveLength(2);
    expect(amplitude.duplicates).toBe(2);
    await post([event({ insert_id: undefined }), event({ insert_id: undefined })]);
    expect(amplitude.events).toHaveLength(4);
  });

  it("derives a device of a user without one", async () => {
    await post([event(), event({ user_id: "user-2" })]);
    const [first, second] = amplitude.events;
    expect(first?.device_id).not.toBe(second?.device_id);
  });

  it("cuts strings at 1,024 characters, nested ones too", async () => {
    await post([event({ event_properties: { long: "x".repeat(2_000), list: [{ inner: "y".repeat(2_000) }] } })]);
    const { long, list } = amplitude.events[0]!.event_properties as { long: string; list: [{ inner: string }] };
    expect([long.length, list[0].inner.length]).toEqual([1_024, 1_024]);
  });

  it.each([
    ["no event type", { event_type: undefined }, "events_with_missing_fields", "event_type"],
    ["a reserved event type", { event_type: "[Amplitude] Revenue" }, "events_with_invalid_fields", "event_type"],
    ["neither id", { user_id: undefined }, "events_with_missing_fields", "user_id"],
    ["a short user", { user_id: "u-1" }, "events_with_invalid_id_lengths", "user_id"],
    ["a short device", { device_id: "d" }, "events_with_invalid_id_lengths", "device_id"],
    ["a refused user", { user_id: "Anonymous" }, "events_with_invalid_fields", "user_id"],
    ["a number as device", { device_id: 123_456 }, "events_with_invalid_fields", "device_id"],
    ["a time that is text", { time: "2026-01-01" }, "events_with_invalid_fields", "time"],
    ["a time with a fraction", { time: 1.5 }, "events_with_invalid_fields", "time"],
    ["a session that is text", { session_id: "s-9" }, "events_with_invalid_fields", "session_id"],
    ["properties that are a list", { event_properties: [] }, "events_with_invalid_fields", "event_properties"],
  ])("refuses %s, and names only the first", async (_name, fault, map, field) => {
    const { status, body } = await post([event(), event(fault), event(fault)]);
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 400, [map]: { [field]: [1] } });
    expect(amplitude.events).toEqual([]);
  });

  it("takes short ids with min_id_length", async () => {
    expect((await post([event({ user_id: "u" })], { options: { min_id_length: 1 } })).status).toBe(200);
  });

  it("refuses nesting over 40 levels", async () => {
    const nest = (levels: number): Record<string, unknown> => (levels === 1 ? { deep: 1 } : { deep: nest(levels - 1) });
    expect((await post([event({ event_properties: nest(40) })])).status).toBe(200);
    expect((await post([event({ event_properties: nest(41) })])).status).toBe(400);
  });

  it("refuses requests that are too large: 1 MB at HTTP V2, 20 MB at batch, 2,000 events at both", async () => {
    const megabyte = [event({ event_properties: { text: "x".repeat(1_000_000) } })];
    expect((await post(megabyte, {}, amplitude.httpV2Url)).status).toBe(413);
    expect((await post(megabyte)).status).toBe(200);
    const many = Array.from({ length: 2_001 }, () => event());
    expect(await post(many)).toMatchObject({ status: 413, body: { code: 413, error: "Payload too large" } });
    expect((await post(many.slice(1))).status).toBe(200);
  });

  it("limits rates by device and user, names them, and takes none of the request", async () => {
    const many = (user: string, count: number): unknown[] =>
      Array.from({ length: count }, () => event({ user_id: user }));
    expect((await post(many("busy-user", 900), {}, amplitude.httpV2Url)).status).toBe(200);
    const { status, body } = await post(
      [event({ user_id: "calm-user" }), ...many("busy-user", 1)],
      {},
      amplitude.httpV2Url,
    );
    expect(status).toBe(429);
    expect(body).toMatchObject({ code: 429, eps_threshold: 30, throttled_events: [1] });
    expect(Object.keys(body["throttled_users"] as object)).toEqual(["busy-user"]);
    expect(amplitude.events).toHaveLength(900);

    await restart({ limitRates: false });
    expect((await post(many("busy-user", 1_000), {}, amplitude.httpV2Url)).status).toBe(200);
  });

  it.each([
    ["no JSON", "nonsense", "Invalid JSON request body"],
    ["no body", "", "Missing request body"],
    ["no key", '{"events":[]}', "Request missing required field"],
    ["no events", '{"api_key":"key"}', "Request missing required field"],
  ])("refuses %s", async (_name, text, error) => {
    expect(await postText(text)).toMatchObject({ status: 400, body: { code: 400, error } });
  });

  it("refuses a wrong key and a wrong path, and reads gzip", async () => {
    await restart({ apiKey: "right" });
    expect((await post([event()])).body["error"]).toMatch(/^Invalid API key/);
    expect((await post([event()], { api_key: "right" }, `${amplitude.origin}/other`)).body["error"]).toBe(
      "Invalid request path",
    );
    const zipped = gzipSync(JSON.stringify({ api_key: "right", events: [event()] }));
    expect((await postText(zipped, amplitude.url, { "content-encoding": "gzip" })).status).toBe(200);
  });

  it("plays a script request by request, then behaves", async () => {
    await amplitude.setFault([503, undefined, "reset", "html", "truncated", "redirect"]);
    expect((await post([event()])).status).toBe(503);
    expect((await post([event()])).status).toBe(200);
    await expect(post([event()])).rejects.toThrow();
    await expect(post([event()])).rejects.toThrow(/JSON/);
    await expect(post([event()])).rejects.toThrow();
    const redirected = await fetch(amplitude.url, { method: "POST", body: "{}", redirect: "manual" });
    expect(redirected.status).toBe(302);
    expect((await post([event()])).status).toBe(200);
    expect(amplitude.events).toHaveLength(2);
  });

  it("stores what it was told to take before it goes silent", async () => {
    await amplitude.setFault("accept_then_reset");
    await expect(post([event()])).rejects.toThrow();
    expect(amplitude.events).toHaveLength(1);
  });

  it("refuses connections and comes back on the same port", async () => {
    await amplitude.setFault("refuse");
    await expect(post([event()])).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
    await amplitude.setFault();
    expect((await post([event()])).status).toBe(200);
  });

  it("throttles everybody on demand, and answers as a function says", async () => {
    await amplitude.setFault(({ index, events }) =>
      index === 0 && events.length === 2 ? 429 : { status: 418, body: { tea: true } },
    );
    const { body } = await post([event(), event({ user_id: "user-2" })]);
    expect(body).toMatchObject({ code: 429, throttled_events: [0, 1] });
    expect(await post([event()])).toEqual({ status: 418, body: { tea: true } });
  });

  it("forgets on clear", async () => {
    const same = event();
    await post([same]);
    amplitude.clear();
    expect([amplitude.events, amplitude.requests]).toEqual([[], []]);
    await post([same]);
    expect(amplitude.events).toHaveLength(1);
  });
});
