/** What every parser has to do, whatever its dialect. A parser's test calls `describeParserContract` with its fixtures. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME_OUTPUT, FRAME_TERMINAL } from "../../src/parsers/parser.ts";
import type { Frame, ParsedResponse, Parser, ResponseInput, RouteInfo } from "../../src/parsers/parser.ts";
import type { Part } from "../../src/types.ts";
import { growsLinearly } from "../decode/rechunk.ts";
import { readFixtures } from "./fixtures.ts";
import type { Fixture } from "./fixtures.ts";
import { expectValidRequest, expectValidResponse } from "./valid.ts";

export interface ContractOptions<State> {
  parser: Parser<State>;
  /** Folder in `test/fixtures`. Default: the parser's api. */
  fixtures?: string;
  /** What the route says beyond the api; a fixture's own `route` comes over it. */
  route?: Partial<RouteInfo>;
  /** Values that are typical of the dialect, to be bent in every way beside those of the fixtures. */
  samples?: readonly unknown[];
}

const NO_LIMIT = 10_000_000;

/** @example describeParserContract({ parser: openaiChatParser, route: { operation: "chat" } }) */
export function describeParserContract<State>(options: ContractOptions<State>): void {
  const { parser } = options;
  const fixtures = readFixtures(options.fixtures ?? parser.api);
  const baseRoute: RouteInfo = { provider: "openai", api: parser.api, operation: "chat", ...options.route };
  const anyFixture: Fixture = {
    name: "bare",
    requestBody: {},
    frames: [],
    streaming: true,
    expected: { request: { parameters: {} }, response: undefined as unknown as ParsedResponse },
  };

  function inputFor(fixture: Fixture, contentLimit = NO_LIMIT): ResponseInput {
    const { expected } = fixture;
    const route = { ...baseRoute, ...expected.route };
    const headers = expected.headers ?? {};
    const request = parser.readRequest({ route, path: "/", headers: {}, body: fixture.requestBody });
    return { route, status: expected.status ?? 200, headers, request, contentLimit };
  }

  function run(fixture: Fixture, frames: readonly Frame[], interrupted = false, contentLimit = NO_LIMIT): Run {
    const state = parser.start(inputFor(fixture, contentLimit));
    let bits = 0;
    for (const frame of frames) bits |= parser.chunk(state, frame);
    return { parsed: parser.finish(state, { streaming: fixture.streaming, interrupted }), bits };
  }

  describe(`${parser.api} contract`, () => {
    describe.each(fixtures.map((fixture) => [fixture.name, fixture] as const))("%s", (_name, fixture) => {
      it("reads the request", () => {
        const request = inputFor(fixture).request;
        expectValidRequest(request);
        expect(request).toEqual(fixture.expected.request);
      });

      it("reads the response", () => {
        const { parsed, bits } = run(fixture, fixture.frames);
        expectValidResponse(parsed);
        expect(withoutRaw(parsed, fixture.expected.response)).toEqual(fixture.expected.response);
        const hasEndMark = fixture.streaming && fixture.expected.endsWithWire !== true;
        if (parsed.finished && hasEndMark) expect(bits & FRAME_TERMINAL, "FRAME_TERMINAL").toBeTruthy();
      });

      it("leaves its input as it is and keeps no state between runs", () => {
        const first = run(fixture, fixture.frames).parsed;
        const frozen = fixture.frames.map((frame) => deepFreeze(structuredClone(frame)));
        expect(run(fixture, frozen).parsed).toEqual(first);
      });

      it("gives what was there when the wire ends after any event, and says when output began", () => {
        const whole = textOf(run(fixture, fixture.frames).parsed);
        for (let count = 0; count <= fixture.frames.length; count++) {
          const { parsed, bits } = run(fixture, fixture.frames.slice(0, count), true);
          expectValidResponse(parsed);
          expect(whole.startsWith(textOf(parsed)), `text after ${count} events`).toBe(true);
          if (saidAnything(parsed)) expect(bits & FRAME_OUTPUT, `FRAME_OUTPUT after ${count} events`).toBeTruthy();
          if (!parsed.finished && parsed.usage.source === "reported") expect(parsed.usage.complete).toBe(false);
        }
      });

      it("keeps the facts and drops the content beyond the limit", () => {
        const whole = run(fixture, fixture.frames).parsed;
        for (const limit of [0, 1, 7]) {
          const { parsed } = run(fixture, fixture.frames, false, limit);
          expectValidResponse(parsed);
          expect(textOf(parsed).length).toBeLessThanOrEqual(limit);
          expect(factsOf(parsed)).toEqual(factsOf(whole));
          if (textOf(whole).length > limit) expect(parsed.contentTruncated).toBe(true);
        }
      });

      it("stands any value in any place", () => {
        fc.assert(
          fc.property(fc.nat(), fc.nat(), hostileValue(), (which, place, value) => {
            const frames = fixture.frames.map((frame, index) =>
              index === which % Math.max(1, fixture.frames.length) ? bend(frame, place, value) : frame,
            );
            expectValidResponse(run(fixture, frames).parsed);
            const requestBody = replaceAt(fixture.requestBody, place, value);
            expectValidRequest(inputFor({ ...fixture, requestBody }).request);
          }),
          { numRuns: 150 },
        );
        expectNoPollution();
      });
    });

    it("stands any JSON as a request", () => {
      fc.assert(
        fc.property(hostileValue(), (body) => {
          expectValidRequest(inputFor({ ...anyFixture, requestBody: body }).request);
        }),
      );
      for (const body of [undefined, null, "", 0, [], [[]], JSON.parse('{"__proto__":{"polluted":1}}')]) {
        expectValidRequest(inputFor({ ...anyFixture, requestBody: body }).request);
      }
      expectNoPollution();
    });

    it("stands any frames in any order, whatever the status", () => {
      fc.assert(
        fc.property(fc.array(hostileFrame(), { maxLength: 8 }), fc.constantFrom(200, 401, 500), (frames, status) => {
          const fixture = { ...anyFixture, expected: { ...anyFixture.expected, status } };
          expectValidResponse(run(fixture, frames, true).parsed);
          expectValidResponse(run(fixture, frames, false).parsed);
        }),
        { numRuns: 300 },
      );
      expectNoPollution();
    });

    it("stands values that are nested without end", () => {
      const samples = [...fixtures.flatMap((fixture) => fixture.frames.slice(0, 20)), ...sampleFrames(options.samples)];
      for (const frame of samples) {
        for (let place = 0; place < 40; place++) {
          const fixture = { ...anyFixture, streaming: frame.kind !== "body" };
          expectValidResponse(run(fixture, [bend(frame, place, nest(10_000))]).parsed);
        }
      }
    });

    it("works in proportion to its input", () => {
      for (const fixture of fixtures) {
        const { frames } = fixture;
        if (!fixture.streaming || frames.length < 2) continue;
        const repeated = (size: number): Frame[] =>
          Array.from({ length: size }, (_, at) => frames[at % frames.length]!);
        expect(
          growsLinearly((size) => void run(fixture, repeated(size)), 250),
          fixture.name,
        ).toBe(true);
      }
    });

    it("stays bounded when lists have no end", () => {
      for (const frame of [
        ...fixtures.flatMap((fixture) => fixture.frames.slice(0, 30)),
        ...sampleFrames(options.samples),
      ]) {
        if (frame.kind !== "body" && frame.kind !== "event") continue;
        const { parsed } = run(anyFixture, [{ ...frame, value: stretchLists(frame.value, 10_000) }]);
        expectValidResponse(parsed);
        expect(parsed.choices.length).toBeLessThanOrEqual(1024);
        expect(parsed.choices.reduce((sum, choice) => sum + choice.message.parts.length, 0)).toBeLessThanOrEqual(
          10_000,
        );
      }
    });
  });
}

interface Run {
  parsed: ParsedResponse;
  bits: number;
}

function withoutRaw(parsed: ParsedResponse, expected: ParsedResponse): ParsedResponse {
  if (expected.usage.raw !== undefined) return parsed;
  const { raw: _raw, ...usage } = parsed.usage;
  return { ...parsed, usage };
}

/** Text of the first choice, which a longer prefix of the stream may only extend. */
function textOf(parsed: ParsedResponse): string {
  let text = "";
  for (const part of parsed.choices[0]?.message.parts ?? []) if (part.type === "text") text += part.content;
  return text;
}

function saidAnything(parsed: ParsedResponse): boolean {
  return parsed.choices.some((choice) => choice.message.parts.length > 0);
}

/** What may not depend on how much content is kept. */
function factsOf(parsed: ParsedResponse): unknown {
  const { raw: _raw, ...usage } = parsed.usage;
  return {
    model: parsed.model,
    id: parsed.id,
    usage,
    finished: parsed.finished,
    error: parsed.error,
    choices: parsed.choices.map((choice) => ({
      index: choice.index,
      finishReason: choice.finishReason,
      rawFinishReason: choice.rawFinishReason,
      tools: choice.message.parts.filter(isCall).map((part) => [part.type, part.name, part.id]),
    })),
  };
}

function isCall(part: Part): part is Extract<Part, { type: "tool_call" | "server_tool_call" }> {
  return part.type === "tool_call" || part.type === "server_tool_call";
}

function hostileValue(): fc.Arbitrary<unknown> {
  return fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>(
      JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
      -1,
      1e300,
      2 ** 53,
      0.5,
      "\u{0}",
      "\u{D800}",
      [[[[]]]],
      {},
      null,
    ),
  );
}

function hostileFrame(): fc.Arbitrary<Frame> {
  const value = hostileValue();
  const name = fc.option(fc.constantFrom("error", "message", "message_start", "ping", "done", "chunk"), {
    nil: undefined,
  });
  const named = <T extends object>(frame: T, given: string | undefined): T =>
    given === undefined ? frame : { ...frame, name: given };
  return fc.oneof(
    value.map((given): Frame => ({ kind: "body", value: given })),
    fc.tuple(value, name).map(([given, own]): Frame => named({ kind: "event", value: given }, own)),
    fc.tuple(fc.string(), name).map(([text, own]): Frame => named({ kind: "event-text", text }, own)),
    fc.constant<Frame>({ kind: "event-text", text: "[DONE]" }),
    fc.string().map((text): Frame => ({ kind: "text", text })),
    fc.nat().map((bytes): Frame => ({ kind: "binary", bytes })),
  );
}

function sampleFrames(samples: readonly unknown[] = []): Frame[] {
  return samples.flatMap((value): Frame[] => [
    { kind: "body", value },
    { kind: "event", value },
  ]);
}

function bend(frame: Frame, place: number, value: unknown): Frame {
  return "value" in frame ? { ...frame, value: replaceAt(frame.value, place, value) } : frame;
}

/** A copy of `source` whose nth node (in the order of a walk, modulo their number) is `replacement`. */
function replaceAt(source: unknown, place: number, replacement: unknown): unknown {
  const target = place % countNodes(source);
  let position = 0;
  const walk = (node: unknown): unknown => {
    if (position++ === target) return replacement;
    if (Array.isArray(node)) return node.map((item) => walk(item));
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item)]));
  };
  return walk(source);
}

function countNodes(node: unknown): number {
  if (typeof node !== "object" || node === null) return 1;
  return Object.values(node).reduce((sum: number, item) => sum + countNodes(item), 1);
}

/** Repeats the elements of the outermost non-empty lists. */
function stretchLists(node: unknown, length: number): unknown {
  if (Array.isArray(node))
    return node.length === 0 ? node : Array.from({ length }, (_, index) => node[index % node.length]);
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, stretchLists(item, length)]));
}

function nest(depth: number): unknown {
  let value: unknown = "x";
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { content: value };
  return value;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}

function expectNoPollution(): void {
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
}
