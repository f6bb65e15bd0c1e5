import process from "node:process";
import { afterEach, describe, expect, it, vi } from "vitest";
import { TapError } from "../../src/errors.ts";
import { defaultDeviceId } from "../../src/sinks/amplitude/device-id.ts";
import { amplitudeSink, type AmplitudeSinkKeyOptions, type AmplitudeSinkOptions } from "../../src/sinks/amplitude.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";

const options = { signal: new AbortController().signal };

interface Sent {
  url: string;
  body: { api_key: string; options: unknown; client_upload_time: string; events: Record<string, unknown>[] };
}

/** A fetch that keeps what was sent and always answers with `answer`. */
function createFetch(answer = '{"code":200}'): { fetch: typeof fetch; sent: Sent[] } {
  const sent: Sent[] = [];
  const fake = (url: unknown, init?: RequestInit): Promise<Response> => {
    sent.push({ url: String(url), body: JSON.parse(init?.body as string) as Sent["body"] });
    return Promise.resolve(new Response(answer));
  };
  return { fetch: fake, sent };
}

async function sendOne(more: Partial<AmplitudeSinkKeyOptions>): Promise<Sent> {
  const { fetch, sent } = createFetch();
  await amplitudeSink({ apiKey: "key", fetch, ...more }).write([sampleCall({ context: {} })], options);
  return sent[0] as Sent;
}

describe("amplitudeSink options", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it.each([
    [{}, "https://api2.amplitude.com/batch"],
    [{ serverZone: "EU" }, "https://api.eu.amplitude.com/batch"],
    [{ useBatch: false }, "https://api2.amplitude.com/2/httpapi"],
    [{ serverZone: "EU", useBatch: false }, "https://api.eu.amplitude.com/2/httpapi"],
    [{ serverUrl: "https://proxy.example.com" }, "https://proxy.example.com/batch"],
    [
      { serverUrl: "https://proxy.example.com/amplitude/2/httpapi?x=1" },
      "https://proxy.example.com/amplitude/2/httpapi?x=1",
    ],
  ] as const)("%j sends to %s", async (more, url) => {
    expect((await sendOne(more)).url).toBe(url);
  });

  it("asks for short ids, and names its key and the time", async () => {
    const { body } = await sendOne({ apiKey: 'key "quoted"' });
    expect(body).toMatchObject({ api_key: 'key "quoted"', options: { min_id_length: 1 } });
    expect(Number.isNaN(Date.parse(body.client_upload_time))).toBe(false);
  });

  it.each([
    [{ apiKey: undefined }, /expected "apiKey".*got apiKey undefined.*environment variable/],
    [{ apiKey: "" }, /got apiKey an empty string/],
    [{ apiKey: 7 }, /got apiKey number/],
    [{}, /expected "apiKey"/],
    [{ client: {} }, /"client" must have a method track/],
    [{ client: { track: () => undefined }, apiKey: "key" }, /not both/],
    [{ apiKey: "key", schema: "other" }, /unknown schema "other"; expected "ai", "agent", "both" or a function/],
    [{ apiKey: "key", serverUrl: "proxy" }, /"serverUrl" must be an http\(s\) URL, got "proxy"/],
    [{ apiKey: "key", serverUrl: "ftp://x" }, /"serverUrl" must be/],
    [{ apiKey: "key", serverZone: "UK" }, /"serverZone" must be "US" or "EU", got "UK"/],
    [{ apiKey: "key", deviceId: "unknown" }, /refuses the deviceId "unknown"/],
  ])("%j is refused with advice", (wrong, message) => {
    const create = (): unknown => amplitudeSink(wrong as unknown as AmplitudeSinkOptions);
    expect(create).toThrow(TapError);
    expect(create).toThrow(message);
  });

  it("takes the fetch that is global when it sends", async () => {
    const sink = amplitudeSink({ apiKey: "key" });
    const { fetch, sent } = createFetch();
    vi.spyOn(globalThis, "fetch").mockImplementation(fetch);
    await sink.write([sampleCall()], options);
    expect(sent).toHaveLength(1);
  });

  it("uses one device for all calls without a user: the same in every sink and process of a service on a host", async () => {
    const ids = await Promise.all([sendOne({}), sendOne({})]);
    const [first, second] = ids.map(({ body }) => body.events[0]?.["device_id"]);
    expect(first).toBe(second);
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect((await sendOne({ deviceId: "checkout" })).body.events[0]?.["device_id"]).toBe("checkout");
  });

  it("tells services on one host apart", () => {
    vi.stubEnv("OTEL_SERVICE_NAME", "one");
    const one = defaultDeviceId();
    vi.stubEnv("OTEL_SERVICE_NAME", "two");
    expect(defaultDeviceId()).not.toBe(one);
    vi.stubEnv("OTEL_SERVICE_NAME", "one");
    expect(defaultDeviceId()).toBe(one);
  });

  it("does not prepare the rest of a large batch for a server that is down", async () => {
    const { fetch, sent } = createFetch("<html>down</html>");
    const properties = { a: Array<string>(50).fill("x".repeat(1_000)) };
    const records = Array.from({ length: 500 }, () => sampleCall({ context: { properties } }));
    const { results } = await amplitudeSink({ apiKey: "key", fetch }).write(records, options);
    expect(new Set(results)).toEqual(new Set(["retry"]));
    expect(results).toHaveLength(500);
    expect(sent).toHaveLength(1);
  });

  it("warns on stderr, and survives a warning function that throws", async () => {
    const { fetch } = createFetch();
    const refuse = ((url: string, init: RequestInit) =>
      fetch(url, init).then(
        () => new Response('{"code":400,"error":"Invalid API key"}', { status: 400 }),
      )) as typeof fetch;
    const printed = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    await amplitudeSink({ apiKey: "key", fetch: refuse }).write([sampleCall()], options);
    expect(printed).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(/^\[llm-tap\] amplitude: .*Invalid API key.*\n$/),
    );
    const throwing = (): never => {
      throw new Error("no");
    };
    const sink = amplitudeSink({ apiKey: "key", fetch: refuse, onWarning: throwing });
    expect((await sink.write([sampleCall()], options)).results).toEqual(["retry"]);
  });
});
