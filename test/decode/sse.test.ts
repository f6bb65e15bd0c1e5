import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSseSplitter } from "../../src/decode/sse.ts";
import { collect, cutAt, cuts, everyByte, growsLinearly } from "./rechunk.ts";

const split = (pieces: readonly string[], maxLength?: number) =>
  collect((sink) => createSseSplitter(sink, maxLength), pieces);

describe("server-sent events", () => {
  const cases: [name: string, input: string, events: { text: string; name?: string }[]][] = [
    ["an event a blank line", "data: 1\n\ndata: 2\n\n", [{ text: "1" }, { text: "2" }]],
    ["named events", "event: ping\ndata: {}\n\n", [{ text: "{}", name: "ping" }]],
    ["CRLF", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", [{ text: "1", name: "a" }, { text: "2" }]],
    ["lone CR", "event: a\rdata: 1\r\rdata: 2\r\r", [{ text: "1", name: "a" }, { text: "2" }]],
    ["mixed line ends", "data: 1\r\n\ndata: 2\r\r\ndata: 3\n\r", [{ text: "1" }, { text: "2" }, { text: "3" }]],
    ["several data lines", "data: {\ndata:  1\ndata:}\n\n", [{ text: "{\n 1\n}" }]],
    ["no space behind the colon", "data:1\n\n", [{ text: "1" }]],
    ["comments", ": OPENROUTER PROCESSING\n\ndata: 1\n\n: keep-alive\n\n", [{ text: "1" }]],
    ["ids and retries", "id: 7\nretry: 10\ndata: 1\n\n", [{ text: "1" }]],
    ["a last event without blank line", "data: 1\n\ndata: 2\n", [{ text: "1" }, { text: "2" }]],
    ["a last event without any line end", "data: 1\n\ndata: 2", [{ text: "1" }, { text: "2" }]],
    ["an event without data", "event: ping\n\ndata: 1\n\n", [{ text: "1" }]],
    ["empty input", "", []],
    [
      "JSON that was written past the framing",
      'data: 1\n\n{\n  "error": {\n    "code": 503\n  }\n}\n\ndata: 2\n\n',
      [{ text: "1" }, { text: '{\n  "error": {\n    "code": 503\n  }\n}' }, { text: "2" }],
    ],
    [
      "such JSON as the last thing",
      'data: 1\n\n{"error": {"code": 503}}\n',
      [{ text: "1" }, { text: '{"error": {"code": 503}}' }],
    ],
    ["other junk", "data: 1\n\nupstream gone\n\ndata: 2\n\n", [{ text: "1" }, { text: "2" }]],
  ];
  it.each(cases)("reads %s", (_, input, events) => {
    expect(split([input])).toEqual({ events, notes: [] });
  });
  it.each(cases)("reads %s character by character", (_, input, events) => {
    expect(split(everyByte(input))).toEqual({ events, notes: [] });
  });

  it("gives the same events for every chunking", () => {
    const line = fc.oneof(
      fc.constantFrom("data: ", "data:", "event: x", ": comment", "", "id: 1", "{", "}"),
      fc.string({ maxLength: 6 }).map((text) => `data: ${text}`),
      fc.string({ unit: "grapheme", maxLength: 4 }).map((text) => `data: ${text}`),
    );
    const end = fc.constantFrom("\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\r\r");
    const stream = fc.array(fc.tuple(line, end), { maxLength: 12 }).map((lines) => lines.flat().join(""));
    fc.assert(
      fc.property(stream, cuts, (text, shares) => {
        expect(split(cutAt(text, shares))).toEqual(split([text]));
      }),
      { numRuns: 500 },
    );
  });

  it("skips a line that is too long and reads what follows", () => {
    const text = `data: before\n\nevent: big\ndata: ${"x".repeat(5000)}\ndata: more\n\ndata: after\n\n`;
    const expected = { events: [{ text: "before" }, { text: "after" }], notes: ["sse_line_too_long"] };
    expect(split([text], 1000)).toEqual(expected);
    expect(split(everyByte(text), 1000)).toEqual(expected);
    expect(split(cutAt(text, [0.1, 0.3, 0.9]), 1000)).toEqual(expected);
    expect(split([text.replaceAll("\n", "\r\n")], 1000)).toEqual(expected);
    expect(split(everyByte(text.replaceAll("\n", "\r")), 1000)).toEqual(expected);
  });

  it("skips an event whose many lines are too long together", () => {
    const text = `${"data: xxxxxxxxxx\n".repeat(500)}\ndata: after\n\n`;
    for (const pieces of [[text], everyByte(text)]) {
      const { events, notes } = split(pieces, 1000);
      expect(events).toEqual([{ text: "after" }]);
      expect(new Set(notes)).toEqual(new Set(["sse_line_too_long"]));
    }
  });

  it("survives a stream that ends inside a line that is too long", () => {
    expect(split(["data: 1\n\n", `data: ${"x".repeat(5000)}`], 1000)).toEqual({
      events: [{ text: "1" }],
      notes: ["sse_line_too_long"],
    });
  });

  it.each([1, 7, 1000, 1_000_000])(
    "reads the events between thousands of lines of junk, %i characters at a time",
    (size) => {
      const text = `${"junk: x\ndata: 1\nmore junk\n\n".repeat(500)}event: last\ndata: 2\n\n`;
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
        text.slice(at * size, (at + 1) * size),
      );
      const { events, notes } = split(pieces);
      expect(events).toEqual([...Array.from({ length: 500 }, () => ({ text: "1" })), { text: "2", name: "last" }]);
      expect(notes).toEqual(["sse_junk"]);
    },
  );

  it.each([
    ["lines that end in CR", (size: number) => ["data: x\r\r".repeat(size)]],
    ["many lines and one CR", (size: number) => [`${"data: x\n\n".repeat(size)}\r`]],
    ["one line in many pieces", (size: number) => Array.from({ length: size }, () => "xxxx")],
  ])("takes time in proportion to its input: %s", (_, create) => {
    expect(growsLinearly((size) => split(create(size)), 4000)).toBe(true);
  });
});
