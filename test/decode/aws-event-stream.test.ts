import { EventStreamCodec } from "@smithy/eventstream-codec";
import { fromUtf8, toUtf8 } from "@smithy/util-utf8";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAwsEventStreamSplitter } from "../../src/decode/aws-event-stream.ts";
import { collect, cutAt, cuts, everyByte, growsLinearly } from "./rechunk.ts";

const codec = new EventStreamCodec(toUtf8, fromUtf8);
type Headers = Parameters<EventStreamCodec["encode"]>[0]["headers"];

function encode(name: string, payload: string, more: Headers = {}): Uint8Array {
  return codec.encode({
    headers: {
      ":event-type": { type: "string", value: name },
      ":content-type": { type: "string", value: "application/json" },
      ":message-type": { type: "string", value: "event" },
      ...more,
    },
    body: fromUtf8(payload),
  });
}

function join(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
}

const split = (pieces: readonly Uint8Array[], maxLength?: number) =>
  collect((sink) => createAwsEventStreamSplitter(sink, maxLength), pieces);

describe("AWS event streams", () => {
  it("reads messages with their event types", () => {
    const bytes = join(
      encode("messageStart", '{"role":"assistant"}'),
      encode("messageStop", '{"stopReason":"end_turn"}'),
    );
    expect(split([bytes])).toEqual({
      events: [
        { text: '{"role":"assistant"}', name: "messageStart" },
        { text: '{"stopReason":"end_turn"}', name: "messageStop" },
      ],
      notes: [],
    });
  });

  it("names an exception by its type", () => {
    const bytes = codec.encode({
      headers: {
        ":exception-type": { type: "string", value: "throttlingException" },
        ":message-type": { type: "string", value: "exception" },
      },
      body: fromUtf8('{"message":"slow down"}'),
    });
    expect(split([bytes]).events).toEqual([{ text: '{"message":"slow down"}', name: "throttlingException" }]);
  });

  it("reads an error message, which has no payload, from its headers", () => {
    const bytes = codec.encode({
      headers: {
        ":message-type": { type: "string", value: "error" },
        ":error-code": { type: "string", value: "InternalFailure" },
        ":error-message": { type: "string", value: "it broke" },
      },
      body: new Uint8Array(0),
    });
    expect(split([bytes]).events).toEqual([{ text: '{"message":"it broke"}', name: "InternalFailure" }]);
  });

  it("unwraps the chunks of InvokeModel", () => {
    const inner = '{"type":"content_block_delta","delta":{"text":"Grüße 👋"}}';
    const bytes = encode("chunk", JSON.stringify({ bytes: Buffer.from(inner).toString("base64"), p: "abc" }));
    expect(split([bytes]).events).toEqual([{ text: inner, name: "chunk" }]);
  });

  it("leaves a chunk alone that wraps nothing", () => {
    expect(split([encode("chunk", '{"bytes":7}')]).events).toEqual([{ text: '{"bytes":7}', name: "chunk" }]);
  });

  it("skips header values of every type", () => {
    const bytes = encode("x", "{}", {
      yes: { type: "boolean", value: true },
      no: { type: "boolean", value: false },
      byte: { type: "byte", value: 1 },
      short: { type: "short", value: 2 },
      integer: { type: "integer", value: 3 },
      binary: { type: "binary", value: new Uint8Array([1, 2, 3]) },
      time: { type: "timestamp", value: new Date(0) },
      id: { type: "uuid", value: "00000000-0000-0000-0000-000000000001" },
      ":event-type": { type: "string", value: "last" },
    });
    expect(split([bytes]).events).toEqual([{ text: "{}", name: "last" }]);
  });

  it("agrees with the codec of the SDK at any chunking", () => {
    const message = fc.tuple(
      fc.string({ minLength: 1, maxLength: 20 }),
      fc.string({ unit: "grapheme", maxLength: 200 }),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), cuts, (messages, shares) => {
        const bytes = join(...messages.map(([name, payload]) => encode(name, payload)));
        const events = messages.map(([name, text]) => ({ text, name }));
        expect(split(cutAt(bytes, shares))).toEqual({ events, notes: [] });
        expect(split(everyByte(bytes))).toEqual({ events, notes: [] });
      }),
    );
  });

  it("notes a message that was cut off", () => {
    const bytes = join(encode("a", "{}"), encode("b", '{"long":"enough"}'));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: bytes.byteLength - 1 }), cuts, (length, shares) => {
        const { events, notes } = split(cutAt(bytes.subarray(0, length), shares));
        expect(events.length).toBe(length >= encode("a", "{}").byteLength ? 1 : 0);
        expect(notes).toEqual(length === encode("a", "{}").byteLength ? [] : ["event_stream_truncated"]);
      }),
    );
  });

  it("stops at a length that can't be", () => {
    const good = encode("a", "{}");
    const bad = encode("b", "{}");
    new DataView(bad.buffer, bad.byteOffset).setUint32(0, 3);
    const bytes = join(good, bad, good);
    expect(split([bytes])).toEqual({ events: [{ text: "{}", name: "a" }], notes: ["event_stream_corrupt"] });
    expect(split(everyByte(bytes))).toEqual({ events: [{ text: "{}", name: "a" }], notes: ["event_stream_corrupt"] });
  });

  it("skips a message that is too long and reads the next", () => {
    const bytes = join(encode("a", "1"), encode("b", "x".repeat(5000)), encode("c", "3"));
    const expected = {
      events: [
        { text: "1", name: "a" },
        { text: "3", name: "c" },
      ],
      notes: ["event_stream_message_too_long"],
    };
    expect(split([bytes], 1000)).toEqual(expected);
    expect(split(everyByte(bytes), 1000)).toEqual(expected);
  });

  it("never throws on bytes that are no event stream", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (bytes, shares) => {
        expect(() => split(cutAt(bytes, shares))).not.toThrow();
      }),
    );
    // Lengths that fit, headers that lie.
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (headers) => {
        const bytes = new Uint8Array(16 + headers.byteLength);
        const view = new DataView(bytes.buffer);
        view.setUint32(0, bytes.byteLength);
        view.setUint32(4, headers.byteLength);
        bytes.set(headers, 12);
        expect(split([bytes]).events).toHaveLength(1);
      }),
    );
  });

  it("takes time in proportion to a message in many pieces", () => {
    expect(growsLinearly((size) => split(everyByte(encode("a", "x".repeat(size)))), 10_000)).toBe(true);
  });
});
