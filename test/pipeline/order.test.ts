/** In which order calls are told, where one may have led to the other. */
import { describe, expect, it } from "vitest";
import { mayHaveLedTo } from "../../src/pipeline/order.ts";
import { createTap } from "../../src/index.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import type { Exchange } from "../../src/types.ts";

function exchange(more: Partial<Exchange>): Exchange {
  return { chunkCount: 0, lastByteTime: 0, isEnded: false, endTime: 0, startTime: 0, ...more } as Exchange;
}

describe("a call waits for an earlier one", () => {
  const later = exchange({ startTime: 10_000, endTime: 10_100, isEnded: true });
  it.each<[string, Partial<Exchange>, number, boolean]>([
    ["whose answer was there, and is being read", { isEnded: true, chunkCount: 3, lastByteTime: 9_000 }, 10_200, true],
    ["whose answer has come, but not its end", { chunkCount: 3, lastByteTime: 10_050 }, 10_200, true],
    ["not for ever", { chunkCount: 3, lastByteTime: 10_050 }, 11_000, false],
    ["not while its answer still comes", { chunkCount: 3, lastByteTime: 10_900 }, 10_950, false],
    ["not before it has an answer", {}, 10_200, false],
    ["that was refused", { isEnded: true, endTime: 9_990 }, 10_200, true],
    [
      "not one that ended much later",
      { isEnded: true, chunkCount: 1, lastByteTime: 14_000, endTime: 14_000 },
      14_100,
      false,
    ],
    ["that takes long to read, not for ever", { isEnded: true, endTime: 9_990 }, 20_000, false],
  ])("%s", (_name, earlier, now, expected) => {
    expect(mayHaveLedTo(exchange(earlier), later, now)).toBe(expected);
  });
});

it("a thousand calls at once, beside one whose answer nobody reads to its end, are all told", async () => {
  const sink = memorySink();
  const tap = createTap({ sinks: [sink] });
  const url = "https://api.openai.com/v1/chat/completions";
  const init = { method: "POST", body: JSON.stringify({ model: "m", stream: true, messages: [] }) };
  const event = new TextEncoder().encode('data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n');
  const open = tap.wrapFetch(
    async () =>
      new Response(new ReadableStream({ pull: (controller) => controller.enqueue(event) }), {
        headers: { "content-type": "text/event-stream" },
      }),
  );
  const reader = ((await open(url, init)).body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  const fetch = tap.wrapFetch(async () => Response.json({ choices: [{ index: 0, message: { content: "Hi" } }] }));
  await Promise.all(Array.from({ length: 1_000 }, async () => (await fetch(url, init)).text()));
  await tap.flush();
  expect(sink.calls).toHaveLength(1_000);
  expect(sink.calls.map(({ timing }) => timing.startedAt)).toEqual(
    sink.calls.map(({ timing }) => timing.startedAt).toSorted((one, other) => one - other),
  );
  await reader.cancel();
  await tap.close();
  expect(sink.calls).toHaveLength(1_001);
});
