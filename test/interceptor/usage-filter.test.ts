/** What the app gets of a stream with usage that it did not ask for: all of it but that event. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createUsageFilter } from "../../src/interceptor/usage-filter.ts";

const encoder = new TextEncoder();

interface Result {
  text: string;
  /** What each chunk gave. */
  pieces: (Uint8Array | undefined)[];
  notes: string[];
}

function run(chunks: readonly Uint8Array[], choices = 1): Result {
  const notes: string[] = [];
  const filter = createUsageFilter({ choices, onNote: (note) => notes.push(note) });
  const pieces = chunks.map((chunk) => filter.push(chunk));
  const all = [...pieces, filter.end()].filter((piece) => piece !== undefined);
  return { text: Buffer.concat(all).toString(), pieces, notes };
}

/** Cuts at shares of the length. */
function cut(text: string, shares: readonly number[]): Uint8Array[] {
  const bytes = encoder.encode(text);
  const borders = [0, ...shares.map((share) => Math.floor(share * bytes.length)), bytes.length].sort((a, b) => a - b);
  // A copy each: what was given is the filter's no longer than the call.
  return borders.slice(1).map((end, index) => bytes.slice(borders[index], end));
}

interface Parts {
  before: string;
  usage: string;
  after: string;
}

const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

function makeStream(options: {
  texts: string[];
  choices: number;
  eol: string;
  spaced: boolean;
  comments: boolean;
  done: boolean;
}): Parts {
  const { texts, choices, eol, spaced, comments, done } = options;
  const write = (value: object): string => {
    const json = JSON.stringify(value);
    return `data: ${spaced ? json.replaceAll('":', '": ').replaceAll(',"', ', "') : json}${eol}${eol}`;
  };
  const indexes = Array.from({ length: choices }, (_, index) => index);
  const chunk = (index: number, delta: object, finish: string | null = null): string =>
    write({ id: "c", choices: [{ index, delta, finish_reason: finish }], usage: null });
  const comment = comments ? `: keep-alive${eol}${eol}` : "";
  const before = [
    comment,
    ...texts.flatMap((content) => indexes.map((index) => chunk(index, { content }))),
    ...indexes.map((index) => chunk(index, {}, "stop") + comment),
  ].join("");
  const usage = write({ id: "c", choices: [], usage: USAGE });
  return { before, usage, after: comment + (done ? `data: [DONE]${eol}${eol}` : "") };
}

const streams = fc
  .record({
    texts: fc.array(fc.string({ unit: "grapheme" }), { maxLength: 6 }),
    choices: fc.integer({ min: 1, max: 3 }),
    eol: fc.constantFrom("\n", "\r\n", "\r"),
    spaced: fc.boolean(),
    comments: fc.boolean(),
    done: fc.boolean(),
  })
  .map((options) => Object.assign(makeStream(options), { choices: options.choices }));
const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });

describe("the filter for usage", () => {
  it("takes out the event and nothing else, wherever the chunks end", () => {
    fc.assert(
      fc.property(streams, shares, ({ before, usage, after, choices }, at) => {
        const result = run(cut(before + usage + after, at), choices);
        expect(result.text).toBe(before + after);
        expect(result.notes).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("does so byte for byte", () => {
    const { before, usage, after } = makeStream({
      texts: ["Grüße 👋"],
      choices: 1,
      eol: "\r\n",
      spaced: true,
      comments: true,
      done: true,
    });
    const bytes = encoder.encode(before + usage + after);
    expect(run(Array.from(bytes, (byte) => Uint8Array.of(byte))).text).toBe(before + after);
  });

  it("passes each chunk as it is until the model has finished, and whole events behind it at once", () => {
    fc.assert(
      fc.property(streams, shares, ({ before, choices }, at) => {
        const head = before.slice(0, before.lastIndexOf('"finish_reason"'));
        const chunks = cut(head, at);
        for (const [index, piece] of run(chunks, choices).pieces.entries()) expect(piece).toBe(chunks[index]);
      }),
    );
    const { before, usage, after } = makeStream({
      texts: ["a"],
      choices: 1,
      eol: "\n",
      spaced: false,
      comments: false,
      done: true,
    });
    const finish = encoder.encode(before);
    const start = encoder.encode(usage.slice(0, 20));
    const rest = encoder.encode(usage.slice(20) + after);
    const { pieces } = run([finish, start, rest]);
    expect(pieces[0]).toBe(finish);
    expect(pieces[1]).toBeUndefined();
    expect(Buffer.from(pieces[2] ?? []).toString()).toBe(after);
  });

  it("looks at nothing any more once the event is out", () => {
    const { before, usage } = makeStream({
      texts: [],
      choices: 1,
      eol: "\n",
      spaced: false,
      comments: false,
      done: false,
    });
    const half = encoder.encode('data: {"choices":[],"us');
    expect(run([encoder.encode(before + usage), half]).pieces[1]).toBe(half);
  });

  it("gives pieces of the kind that came", () => {
    const { before, usage, after } = makeStream({
      texts: ["a"],
      choices: 1,
      eol: "\n",
      spaced: false,
      comments: true,
      done: true,
    });
    const { pieces } = run([Buffer.from(before), Buffer.from(usage.slice(0, 9)), Buffer.from(usage.slice(9) + after)]);
    expect(pieces.map((piece) => piece && Buffer.isBuffer(piece))).toEqual([true, undefined, true]);
    expect(run([Buffer.from(before + usage + after)]).pieces.map((piece) => Buffer.isBuffer(piece))).toEqual([true]);
  });

  it("drops the event without its blank line at the end, and gives back what else was held", () => {
    const { before, usage } = makeStream({
      texts: ["a"],
      choices: 1,
      eol: "\n",
      spaced: false,
      comments: false,
      done: false,
    });
    expect(run([encoder.encode(before), encoder.encode(usage.trimEnd())]).text).toBe(before);
    expect(run([encoder.encode(before), encoder.encode(usage.slice(0, -9))]).text).toBe(before + usage.slice(0, -9));
    expect(run([encoder.encode(before), encoder.encode("data: [DONE]")]).text).toBe(`${before}data: [DONE]`);
  });

  const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;
  const finish = event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
  it.each([
    ["usage beside a choice", event({ choices: [{ index: 0, delta: {} }], usage: USAGE })],
    ["no choice and no usage", event({ choices: [], usage: null, prompt_filter_results: [] })],
    ["usage without choices", event({ usage: USAGE })],
    ["what only speaks of it", event({ choices: [{ index: 0, delta: { content: '{"choices":[],"usage":{}}' } }] })],
    ["no JSON", 'data: {"choices":[],"usage":{\n\n'],
    ["a body that is no stream", '{"choices":[],"usage":{"total_tokens":1}}\n\n'],
  ])("leaves %s", (_name, text) => {
    expect(run([encoder.encode(finish + text)]).text).toBe(finish + text);
    expect(run(cut(finish + text, [0.5, 0.7, 0.9])).text).toBe(finish + text);
  });

  it("says when the event came too early to be taken out whole", () => {
    const text = event({ choices: [], usage: USAGE });
    const { text: passed, notes } = run(cut(text, [0.5]));
    expect(passed).toBe(text);
    expect(notes).toEqual(["include_usage_not_removed"]);
    expect(run([encoder.encode(text)]).text).toBe("");
  });

  it("holds back no more than a little", () => {
    const chunks = [finish, ...Array.from({ length: 40 }, () => "x".repeat(4096))].map((text) => encoder.encode(text));
    const { text, notes, pieces } = run(chunks);
    expect(text).toBe(chunks.map((chunk) => Buffer.from(chunk).toString()).join(""));
    expect(notes).toEqual(["include_usage_not_removed"]);
    expect(pieces.filter((piece) => piece === undefined)).toHaveLength(16);
  });
});
