/** An outbox before Amplitude: what Amplitude says about single events and users. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { amplitudeSink } from "../../src/sinks/amplitude.ts";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { throttledBody } from "../../src/testing/fake-amplitude/faults.ts";
import { sampleCall, sampleRecords } from "../../src/testing/sample-records.ts";
import type { TapRecord } from "../../src/types.ts";
import { flush, ids, readDeadLetters, until, useWorkspace, write } from "./helpers.ts";

const workspace = useWorkspace();
let amplitude: FakeAmplitude;
beforeEach(async () => {
  amplitude = await startFakeAmplitude();
});
afterEach(() => amplitude.close());

const open = (apiKey = "key") =>
  workspace.open(amplitudeSink({ apiKey, serverUrl: amplitude.url, onWarning: () => undefined }));
const arrived = (): string[] => amplitude.events.map(({ insert_id }) => insert_id?.split(":")[0] as string);

it("an event that Amplitude refuses is set aside with its reason, the others arrive", async () => {
  const records = sampleRecords(20);
  const bad = records[7] as TapRecord;
  await amplitude.setFault(({ events }) => {
    const index = events.findIndex(({ insert_id }) => insert_id?.startsWith(bad.id));
    if (index < 0) return undefined;
    const body = {
      code: 400,
      error: "Invalid field values on some events",
      events_with_invalid_fields: { x: [index] },
    };
    return { status: 400, body };
  });
  const sink = open();
  await write(sink, records);
  await flush(sink);
  expect(arrived()).toEqual(ids(records.filter(({ id }) => id !== bad.id)));
  expect(sink.report()).toEqual({ delivered: 19, pending: 0, dropped: 1, unknown: 0 });
  expect(readDeadLetters(sink.directory)).toMatchObject([
    { reason: "Invalid field values on some events", record: { id: bad.id } },
  ]);
});

it("a user who is throttled waits, in order; nobody else does", async () => {
  await amplitude.setFault(({ events }) => {
    const indexes = events.flatMap(({ user_id }, index) => (user_id === "loud-user" ? [index] : []));
    return indexes.length === 0 ? undefined : { status: 429, body: throttledBody(events, indexes, 30) };
  });
  const sink = open();
  const records = Array.from({ length: 60 }, (_, index) =>
    sampleCall({ context: { userId: index % 3 === 0 ? "loud-user" : `user-${index % 3}-of-many` } }),
  );
  for (let start = 0; start < 60; start += 10) await write(sink, records.slice(start, start + 10));
  await until(() => sink.report().delivered === 40);
  expect(sink.report()).toMatchObject({ delivered: 40, pending: 20 });
  await amplitude.setFault();
  await sink.close?.();
  // The next process does not know of the pause.
  const next = open();
  await flush(next);
  const loud = records.filter(({ context }) => context.userId === "loud-user");
  expect(arrived().slice(40)).toEqual(ids(loud));
  expect(amplitude.duplicates).toBe(0);
});

it("a wrong key keeps everything; the logs of one project are never sent to another", async () => {
  await amplitude.close();
  amplitude = await startFakeAmplitude({ apiKey: "right" });
  const wrong = open("wrong");
  await write(wrong, sampleRecords(3));
  await flush(wrong, 300);
  await wrong.close?.();
  const right = open("right");
  await flush(right);
  expect(amplitude.events).toEqual([]);
  const again = open("wrong");
  await flush(again, 300);
  expect(again.report()).toMatchObject({ delivered: 0, pending: 3 });
  expect(again.directory).not.toContain("wrong");
});

it("an event keeps its device though the next process is of another host or program", async () => {
  const calls = [sampleCall({ context: {} }), sampleCall({ context: { userId: "someone" } })];
  const open = (deviceId: string) =>
    workspace.open(amplitudeSink({ apiKey: "key", serverUrl: amplitude.url, deviceId, onWarning: () => undefined }));
  // They arrive, and nobody learns of it.
  await amplitude.setFault("accept_then_reset");
  const first = open("host-1");
  await write(first, calls);
  await until(() => amplitude.events.length === 2);
  await first.close?.();
  await amplitude.setFault();
  const second = open("host-2");
  await flush(second);
  expect(second.stats()).toMatchObject({ delivered: 2, pending: 0 });
  expect(amplitude.events).toHaveLength(2);
  expect(amplitude.events[0]?.device_id).toBe("host-1");
  expect(amplitude.duplicates).toBeGreaterThanOrEqual(2);
});
