import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFraming, type FramingKind, TAIL_LENGTH } from "../../src/decode/framing.ts";
import { cutAt, cuts, everyByte } from "./rechunk.ts";

interface Given {
  contentType?: string;
  status?: number;
  mayBeJsonArray?: boolean;
  mayBeEventStream?: boolean;
  maxBodyLength?: number;
}

interface Found {
  kind: FramingKind | undefined;
  events: { text: string; name?: string }[];
  body?: { kind: string; text: string; tail?: string };
  binary?: number;
  notes: string[];
}

function run(pieces: readonly Uint8Array[], given: Given = {}): Found {
  const found: Found = { kind: undefined, events: [], notes: [] };
  const framing = createFraming({
    contentType: given.contentType,
    status: given.status ?? 200,
    mayBeJsonArray: given.mayBeJsonArray ?? false,
    mayBeEventStream: given.mayBeEventStream ?? false,
    maxBodyLength: given.maxBodyLength ?? 1e6,
    sink: {
      onEvent: (text, name) => found.events.push(name === undefined ? { text } : { text, name }),
      onBody: (kind, text, tail) => (found.body = tail === undefined ? { kind, text } : { kind, text, tail }),
      onBinary: (bytes) => (found.binary = bytes),
      onNote: (note) => found.notes.push(note),
    },
  });
  for (const piece of pieces) framing.push(piece);
  framing.end();
  found.kind = framing.kind;
  return found;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const SSE = 'data: {"a":1}\n\n';
const NDJSON = '{"a":1}\n{"a":2}\n';
const EVENT_STREAM = Uint8Array.of(0, 0, 0, 16, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8);

describe("which framing a body has", () => {
  const cases: [name: string, body: string | Uint8Array, given: Given, kind: FramingKind][] = [
    ["an event stream", SSE, { contentType: "text/event-stream; charset=utf-8" }, "sse"],
    ["an event stream in capitals", SSE, { contentType: "Text/Event-Stream" }, "sse"],
    ["an event stream called JSON", SSE, { contentType: "application/json" }, "sse"],
    ["an event stream without a type", SSE, {}, "sse"],
    ["an event stream called text", SSE, { contentType: "text/plain" }, "sse"],
    ["an event stream called bytes", SSE, { contentType: "application/octet-stream" }, "sse"],
    ["an event stream that starts with a comment", `: OPENROUTER PROCESSING\n\n${SSE}`, {}, "sse"],
    ["an event stream that starts with a name", `event: a\n${SSE}`, { contentType: "application/json" }, "sse"],
    ["an event stream that starts with an id", `id: 1\nevent: a\n${SSE}`, {}, "sse"],
    ["an event stream behind blank lines", `\n\n ${SSE}`, { contentType: "text/event-stream" }, "sse"],
    ["an event stream behind a byte order mark", `\ufeff${SSE}`, { contentType: "text/event-stream" }, "sse"],
    ["a short event stream", "data: 1", { contentType: "text/event-stream" }, "sse"],
    ["JSON", '{"a":1}', { contentType: "application/json" }, "json"],
    ["JSON over several lines", '{\n"a":1\n}\n', { contentType: "application/json" }, "json"],
    ["JSON with a line end", '{"a":1}\n', { contentType: "application/json" }, "json"],
    ["JSON called an event stream", '{"error":{"message":"no"}}', { contentType: "text/event-stream" }, "json"],
    ["JSON called HTML", '{"a":1}', { contentType: "text/html" }, "json"],
    ["JSON called bytes", '{"error":1}', { contentType: "application/octet-stream", status: 400 }, "json"],
    ["JSON with a vendor's type", '{"a":1}', { contentType: "application/vnd.x+json" }, "json"],
    ["JSON behind white space", '\n\n   {"a":1}', { contentType: "text/event-stream" }, "json"],
    [
      "JSON called an AWS event stream",
      '{"message":"no"}',
      { contentType: "application/vnd.amazon.eventstream" },
      "json",
    ],
    ["an error called audio", '{"error":1}', { contentType: "audio/mpeg", status: 400 }, "json"],
    ["a scalar", "  7", { contentType: "application/json" }, "json"],
    ["lines of JSON", NDJSON, { contentType: "application/x-ndjson" }, "ndjson"],
    ["lines of JSON of Cohere", NDJSON, { contentType: "application/stream+json" }, "ndjson"],
    ["one line of JSON lines", '{"a":1}', { contentType: "application/x-ndjson" }, "ndjson"],
    ["lines of JSON called JSON", NDJSON, { contentType: "application/json" }, "ndjson"],
    ["lines of JSON without a type", NDJSON, {}, "ndjson"],
    [
      "an array where one may come",
      '[{"a":1}]',
      { contentType: "application/json", mayBeJsonArray: true },
      "json-array",
    ],
    [
      "an array of an error",
      '[{"error":1}]',
      { contentType: "application/json", mayBeJsonArray: true, status: 400 },
      "json",
    ],
    ["an array elsewhere", "[1]", { contentType: "application/json" }, "json"],
    ["an AWS event stream", EVENT_STREAM, { contentType: "application/vnd.amazon.eventstream" }, "aws-event-stream"],
    [
      "an AWS event stream with a strange type",
      EVENT_STREAM,
      { contentType: "*", mayBeEventStream: true },
      "aws-event-stream",
    ],
    ["audio", Uint8Array.of(0xff, 0xfb, 1, 2), { contentType: "audio/mpeg" }, "binary"],
    ["audio that starts like JSON", "{[", { contentType: "audio/pcm" }, "binary"],
    ["bytes", Uint8Array.of(1, 2, 3, 0, 5), { contentType: "application/octet-stream" }, "binary"],
    ["bytes without a type", Uint8Array.of(0xff, 0xfb, 1, 2), {}, "binary"],
    ["text", "WEBVTT\n\n00:01 --> 00:02\nhi", { contentType: "text/vtt" }, "text"],
    ["text without a type", "upstream connect error", {}, "text"],
    ["text called an event stream", "upstream connect error", { contentType: "text/event-stream" }, "text"],
    ["a page", "<html>", { contentType: "text/html", status: 502 }, "text"],
  ];
  it.each(cases)("sees %s", (_, body, given, kind) => {
    const bytes = typeof body === "string" ? bytesOf(body) : body;
    expect(run([bytes], given).kind).toBe(kind);
    expect(run(everyByte(bytes), given)).toEqual(run([bytes], given));
  });

  it("has none for a body that is empty or only white space", () => {
    expect(run([])).toEqual({ kind: undefined, events: [], notes: [] });
    expect(run([bytesOf(" \n")]).body).toBeUndefined();
  });
});

describe("what comes out of a body", () => {
  it("reads JSON lines that were called JSON, from the first line on", () => {
    expect(run([bytesOf(NDJSON)], { contentType: "application/json" }).events).toEqual([
      { text: '{"a":1}' },
      { text: '{"a":2}' },
    ]);
  });

  it("reads events behind an error object in what is called an event stream", () => {
    expect(run([bytesOf(`{"error":1}\n\n${SSE}`)], { contentType: "text/event-stream" })).toMatchObject({
      kind: "sse",
      events: [{ text: '{"error":1}' }, { text: '{"a":1}' }],
    });
  });

  it("counts binary bodies and keeps nothing of them", () => {
    expect(run([new Uint8Array(5000), new Uint8Array(3)], { contentType: "image/png" })).toEqual({
      kind: "binary",
      events: [],
      binary: 5003,
      notes: [],
    });
    expect(run([bytesOf("\n\n "), new Uint8Array(7)], { contentType: "audio/pcm" }).binary).toBe(10);
  });

  it("keeps the beginning and the end of a body that is too large", () => {
    const text = `{"a":"${"x".repeat(300_000)}","usage":1}`;
    for (const pieces of [[bytesOf(text)], cutAt(bytesOf(text), [0.001, 0.5, 0.9, 0.99])]) {
      const { body } = run(pieces, { maxBodyLength: 1000 });
      expect(body?.text).toBe(text.slice(0, 1000));
      expect(body?.tail).toBe(text.slice(-TAIL_LENGTH));
    }
  });

  it("notes bytes that are no UTF-8", () => {
    expect(run([Uint8Array.of(0x7b, 0xff, 0x7d)]).notes).toEqual(["invalid_utf8"]);
  });

  it("is the same for every chunking", () => {
    const body = fc.constantFrom(
      'data: {"t":"Grüße 👋 漢"}\r\n\r\nevent: x\r\ndata: [DONE]\r\n\r\n',
      '{"text":"Grüße 👋 漢"}\n{"text":"zwei"}\n',
      '[{"text":"Grüße, 👋"},\r\n{"text":"]"}]',
      '\n\n{\n "text": "Grüße 👋"\n}\n',
      ": hi\n\ndata: 1\r\rdata: 2",
    );
    const type = fc.constantFrom(
      undefined,
      "application/json",
      "text/event-stream",
      "application/x-ndjson",
      "text/plain",
    );
    fc.assert(
      fc.property(body, type, fc.boolean(), cuts, (text, contentType, mayBeJsonArray, shares) => {
        const given: Given = contentType === undefined ? { mayBeJsonArray } : { contentType, mayBeJsonArray };
        expect(run(cutAt(bytesOf(text), shares), given)).toEqual(run([bytesOf(text)], given));
      }),
      { numRuns: 500 },
    );
  });

  it("never throws", () => {
    const type = fc.constantFrom(
      undefined,
      "application/json",
      "text/event-stream",
      "application/vnd.amazon.eventstream",
      "application/x-ndjson",
      "audio/wav",
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), type, fc.boolean(), cuts, (bytes, contentType, flag, shares) => {
        const given: Given = {
          mayBeJsonArray: flag,
          mayBeEventStream: flag,
          ...(contentType === undefined ? {} : { contentType }),
        };
        expect(() => run(cutAt(bytes, shares), given)).not.toThrow();
      }),
    );
  });

  it("does not keep the caller's memory", () => {
    const source = bytesOf(`da`);
    const found: string[] = [];
    const framing = createFraming({
      contentType: undefined,
      status: 200,
      mayBeJsonArray: false,
      mayBeEventStream: false,
      maxBodyLength: 1000,
      sink: { onEvent: (text) => found.push(text), onBody() {}, onBinary() {}, onNote() {} },
    });
    framing.push(source);
    source.fill(0);
    framing.push(bytesOf('ta: {"answer":42}\n\n'));
    framing.end();
    expect(found).toEqual(['{"answer":42}']);
  });
});

describe("a content type that is not what came", () => {
  const mismatch = ["content_type_mismatch"];
  it.each<[string, string | Uint8Array, Given, string[]]>([
    ["an event stream called JSON", SSE, { contentType: "application/json" }, mismatch],
    ["an event stream called text", SSE, { contentType: "text/plain" }, mismatch],
    ["JSON called an event stream", '{"a":1}', { contentType: "text/event-stream" }, mismatch],
    ["JSON called HTML", '{"a":1}', { contentType: "text/html" }, mismatch],
    ["lines called JSON", NDJSON, { contentType: "application/json" }, mismatch],
    ["an event stream that begins with bare JSON", `{"a":1}\n${SSE}`, { contentType: "text/event-stream" }, []],
    ["an event stream without a type", SSE, {}, []],
    ["JSON called bytes", '{"a":1}', { contentType: "application/octet-stream" }, []],
    ["JSON of a kind", '{"a":1}', { contentType: "application/problem+json" }, []],
    ["an array that streams", '[{"a":1}]', { contentType: "application/json", mayBeJsonArray: true }, []],
    ["nothing", "", { contentType: "text/event-stream" }, []],
  ])("%s", (_name, body, given, notes) => {
    const bytes = typeof body === "string" ? bytesOf(body) : body;
    expect(run([bytes], given).notes).toEqual(notes);
    expect(run(everyByte(bytes), given).notes).toEqual(notes);
  });
});
