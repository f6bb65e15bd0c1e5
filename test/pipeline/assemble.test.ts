import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  FRAME_NOTHING,
  FRAME_OUTPUT,
  FRAME_TERMINAL,
  type Frame,
  notApplicableUsage,
  type Parser,
  type ResponseEnd,
  type RouteInfo,
} from "../../src/parsers/parser.ts";
import { type AssemblyOptions, createAssembly } from "../../src/pipeline/assemble.ts";
import { cutAt, cuts } from "../decode/rechunk.ts";

interface Seen {
  frames: Frame[];
  end: ResponseEnd | undefined;
}

/** A parser that keeps its frames; `{"text": …}` is output, `{"done": …}` the end. */
function createRecorder(): { parser: Parser; seen: Seen } {
  const seen: Seen = { frames: [], end: undefined };
  const parser: Parser = {
    api: "openai-chat",
    readRequest: ({ body }) => ({ parameters: {}, model: String((body as { model?: string } | undefined)?.model) }),
    start: () => ({}),
    chunk(_, frame) {
      seen.frames.push(frame);
      const value = (frame.kind === "event" || frame.kind === "body" ? frame.value : {}) as Record<string, unknown>;
      return ("text" in value ? FRAME_OUTPUT : FRAME_NOTHING) | ("done" in value ? FRAME_TERMINAL : FRAME_NOTHING);
    },
    finish(_, end) {
      seen.end = end;
      return { choices: [], usage: notApplicableUsage(), finished: false, notes: [] };
    },
  };
  return { parser, seen };
}

const ROUTE: RouteInfo = { provider: "openai", api: "openai-chat", operation: "chat" };

function assemble(more: Partial<AssemblyOptions> = {}) {
  const { parser, seen } = createRecorder();
  const assembly = createAssembly({
    route: ROUTE,
    path: "/v1/chat/completions",
    method: "POST",
    status: 200,
    requestHeaders: {},
    responseHeaders: { "content-type": "text/event-stream" },
    requestBody: () => ({ value: { model: "m" }, notes: [] }),
    contentLimit: 1000,
    parser,
    ...more,
  });
  return { assembly, seen };
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const json = { "content-type": "application/json" };

describe("an exchange that streams", () => {
  it("says when output first came, to the chunk", () => {
    const { assembly } = assemble();
    assembly.push(bytesOf(": processing\n\n"), 10);
    assembly.push(bytesOf('data: {"role":"assistant"}\n\ndata: {"te'), 20);
    expect(assembly.streaming).toBe(true);
    expect(assembly.firstTokenMs).toBeUndefined();
    assembly.push(bytesOf('xt":"a"}\n'), 30);
    expect(assembly.firstTokenMs).toBeUndefined();
    assembly.push(bytesOf('\ndata: {"text":"b"}\n\n'), 40);
    assembly.push(bytesOf('data: {"text":"c"}\n\n'), 50);
    expect(assembly.firstTokenMs).toBe(40);
    expect(assembly.finish({ interrupted: false })).toMatchObject({ streaming: true, firstTokenMs: 40, notes: [] });
  });

  it("knows when the model has finished", () => {
    const { assembly } = assemble();
    assembly.push(bytesOf('data: {"text":"a"}\n\n'), 1);
    expect(assembly.terminal).toBe(false);
    assembly.push(bytesOf('data: {"done":true}\n\n'), 2);
    expect(assembly.terminal).toBe(true);
  });

  it("reads nothing behind [DONE], as SDKs do, and takes it for an end", () => {
    const { assembly, seen } = assemble();
    assembly.push(bytesOf('data: {"text":"a"}\n\ndata: [DONE]\n\ndata: {"text":"b"}\n\n'), 1);
    expect(assembly.terminal).toBe(true);
    const { response } = assembly.finish({ interrupted: false });
    expect(response.finished).toBe(true);
    expect(seen.frames).toEqual([
      { kind: "event", value: { text: "a" } },
      { kind: "event-text", text: "[DONE]" },
    ]);
  });

  it("hands on names, and text that is no JSON as text", () => {
    const { assembly, seen } = assemble();
    assembly.push(bytesOf('event: a\ndata: {"x":1}\n\nevent: output\ndata: 42\n\ndata: hello\n\ndata: {oops\n\n'), 1);
    expect(assembly.finish({ interrupted: false }).notes).toEqual(["invalid_event_json"]);
    expect(seen.frames).toEqual([
      { kind: "event", value: { x: 1 }, name: "a" },
      { kind: "event-text", text: "42", name: "output" },
      { kind: "event-text", text: "hello" },
      { kind: "event-text", text: "{oops" },
    ]);
  });

  it("drops the event that an early end cut in half, and keeps one that was whole", () => {
    const { assembly, seen } = assemble();
    assembly.push(bytesOf('data: {"text":"a"}\n\ndata: {"text":"b'), 1);
    expect(assembly.finish({ interrupted: true }).notes).toEqual(["truncated_event"]);
    expect(seen.frames).toEqual([{ kind: "event", value: { text: "a" } }]);
    expect(seen.end).toEqual({ streaming: true, interrupted: true });

    const whole = assemble();
    whole.assembly.push(bytesOf('data: {"text":"a"}\n\ndata: {"text":"b"}'), 1);
    expect(whole.assembly.finish({ interrupted: true }).notes).toEqual([]);
    expect(whole.seen.frames).toHaveLength(2);
  });

  it("skips a huge event and says that something is missing", () => {
    const { assembly, seen } = assemble();
    const block = bytesOf("x".repeat(1024 * 1024));
    assembly.push(bytesOf('data: {"text":"a"}\n\ndata: '), 1);
    for (let at = 0; at < 50; at++) assembly.push(block, 2);
    assembly.push(bytesOf('\n\ndata: {"done":1}\n\n'), 3);
    expect(assembly.finish({ interrupted: false })).toMatchObject({
      notes: ["sse_line_too_long"],
      responseTruncated: true,
    });
    expect(seen.frames).toEqual([
      { kind: "event", value: { text: "a" } },
      { kind: "event", value: { done: 1 } },
    ]);
  });

  it("reads a JSON array of Gemini as a stream", () => {
    const { assembly, seen } = assemble({ path: "/v1beta/models/g:streamGenerateContent", responseHeaders: json });
    assembly.push(bytesOf('[{"text":"a"}\n'), 1);
    assembly.push(bytesOf(',{"text":"b"}]'), 2);
    expect(assembly.finish({ interrupted: false })).toMatchObject({ streaming: true, firstTokenMs: 2 });
    expect(seen.frames).toHaveLength(2);
  });

  it("is the same for every chunking", () => {
    const text = 'data: {"role":"a"}\r\n\r\nevent: x\r\ndata: {"text":"Grüße 👋"}\r\n\r\n: c\r\n\r\ndata: {"done":1}';
    const whole = assemble();
    whole.assembly.push(bytesOf(text), 0);
    const expected = whole.assembly.finish({ interrupted: false });
    fc.assert(
      fc.property(cuts, (shares) => {
        const { assembly, seen } = assemble();
        for (const piece of cutAt(bytesOf(text), shares)) assembly.push(piece, 0);
        expect(assembly.finish({ interrupted: false })).toEqual(expected);
        expect(seen).toEqual(whole.seen);
      }),
    );
  });
});

describe("an exchange that is one value", () => {
  it("hands on the body and has no first token", () => {
    const { assembly, seen } = assemble({ responseHeaders: json });
    assembly.push(bytesOf('{"text":'), 1);
    assembly.push(bytesOf('"a"}'), 2);
    const result = assembly.finish({ interrupted: false });
    expect(seen.frames).toEqual([{ kind: "body", value: { text: "a" } }]);
    expect(result.streaming).toBe(false);
    expect(result).not.toHaveProperty("firstTokenMs");
  });

  it("reads what there is of a body that was cut off", () => {
    const { assembly, seen } = assemble({ responseHeaders: json });
    assembly.push(bytesOf('{"id":"x","choices":[{"message":{"content":"hal'), 1);
    const result = assembly.finish({ interrupted: true });
    expect(result.notes).toEqual(["truncated_json"]);
    expect(result.responseTruncated).toBe(false);
    expect(seen.frames).toEqual([{ kind: "body", value: { id: "x", choices: [{ message: { content: "hal" } }] } }]);
  });

  it("gives text for what claims to be JSON and is none", () => {
    const { assembly, seen } = assemble({ responseHeaders: json });
    assembly.push(bytesOf("upstream connect error"), 1);
    expect(assembly.finish({ interrupted: false }).notes).toEqual(["invalid_json"]);
    expect(seen.frames).toEqual([{ kind: "text", text: "upstream connect error" }]);
  });

  it("finds the facts at both ends of a body that is too large, and counts no vectors", () => {
    const { parser, seen } = createRecorder();
    const { assembly } = assemble({
      responseHeaders: json,
      maxBodyBytes: 10_000,
      parser: {
        ...parser,
        finish: () => ({
          choices: [],
          usage: notApplicableUsage(),
          embeddings: { count: 1 },
          finished: true,
          notes: [],
        }),
      },
    });
    const text = JSON.stringify({ id: "x", model: "m", data: "y".repeat(3e6), usage: { total_tokens: 7 } });
    for (let at = 0; at < text.length; at += 50_000) assembly.push(bytesOf(text.slice(at, at + 50_000)), at);
    const result = assembly.finish({ interrupted: false });
    expect(result.notes).toEqual(["response_body_too_large"]);
    expect(result.responseTruncated).toBe(true);
    expect(result.response.embeddings).toBeUndefined();
    expect(seen.frames).toMatchObject([{ kind: "body", value: { id: "x", model: "m", usage: { total_tokens: 7 } } }]);
  });

  it("is no stream when it is an error, whatever its framing", () => {
    const { assembly, seen } = assemble({ status: 429 });
    assembly.push(bytesOf('data: {"text":"x"}\n\n'), 1);
    const result = assembly.finish({ interrupted: false });
    expect(result.streaming).toBe(false);
    expect(result).not.toHaveProperty("firstTokenMs");
    expect(seen.frames).toEqual([{ kind: "event", value: { text: "x" } }]);
  });

  it("counts binary bodies", () => {
    const { assembly, seen } = assemble({ responseHeaders: { "content-type": "audio/mpeg" } });
    assembly.push(new Uint8Array(1000), 1);
    assembly.push(new Uint8Array(24), 2);
    expect(assembly.finish({ interrupted: false }).streaming).toBe(false);
    expect(seen.frames).toEqual([{ kind: "binary", bytes: 1024, mimeType: "audio/mpeg" }]);
  });

  it("has no frame for an empty body, but a request", () => {
    const { assembly, seen } = assemble({ status: 204 });
    expect(assembly.finish({ interrupted: false }).request.model).toBe("m");
    expect(seen.frames).toEqual([]);
  });
});

describe("an assembly", () => {
  it("reads the request once, and not before it has to", () => {
    let reads = 0;
    const requestBody = () => {
      reads++;
      return { value: { model: "late" }, notes: ["odd_request"] };
    };
    const { assembly } = assemble({ requestBody });
    assembly.push(bytesOf(": hi\n\n"), 1);
    expect(reads).toBe(0);
    assembly.push(bytesOf('data: {"text":"a"}\n\n'), 2);
    expect(reads).toBe(1);
    const result = assembly.finish({ interrupted: false });
    expect(reads).toBe(1);
    expect(result.request.model).toBe("late");
    expect(result.notes).toEqual(["odd_request"]);
  });

  const failing = (name: keyof Parser): Parser => {
    const { parser } = createRecorder();
    return {
      ...parser,
      [name]: () => {
        throw new Error("broken parser");
      },
    };
  };
  it.each(["readRequest", "start", "chunk", "finish"] as const)("survives a parser whose %s throws", (name) => {
    const { assembly } = assemble({ parser: failing(name) });
    assembly.push(bytesOf('data: {"text":"a"}\n\n'), 1);
    const result = assembly.finish({ interrupted: false });
    expect(result.notes).toContain("parser_failed");
    expect(result.response.choices).toEqual([]);
    expect(result.streaming).toBe(true);
  });

  it("survives a request that can't be read", () => {
    const { assembly } = assemble({
      requestBody: () => {
        throw new Error("gone");
      },
    });
    expect(assembly.finish({ interrupted: false }).notes).toEqual(["parser_failed"]);
  });

  it("never throws, whatever comes", () => {
    const type = fc.constantFrom(
      "text/event-stream",
      "application/json",
      "application/x-ndjson",
      "application/vnd.amazon.eventstream",
      "audio/wav",
      "",
    );
    const api = fc.constantFrom(
      "openai-chat" as const,
      "gemini" as const,
      "bedrock-invoke" as const,
      "anthropic-messages" as const,
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        type,
        api,
        fc.boolean(),
        cuts,
        (bytes, contentType, name, interrupted, shares) => {
          const assembly = createAssembly({
            route: { ...ROUTE, api: name },
            path: "/v1/models/m:streamGenerateContent",
            method: "POST",
            status: 200,
            requestHeaders: {},
            responseHeaders: { "content-type": contentType },
            requestBody: () => ({ value: undefined, notes: [] }),
            contentLimit: 100,
          });
          for (const piece of cutAt(bytes, shares)) assembly.push(piece, 0);
          expect(assembly.finish({ interrupted }).notes).not.toContain("parser_failed");
        },
      ),
    );
  });
});

describe("a whole body in one piece", () => {
  const value = fc.jsonValue({ maxDepth: 3 }).map((item) => JSON.stringify({ text: item }));
  const indented = fc.jsonValue({ maxDepth: 2 }).map((item) => JSON.stringify({ text: item }, undefined, 1));
  const torn = fc.tuple(value, fc.nat(40)).map(([text, length]) => text.slice(0, length));
  const followed = fc
    .tuple(value, fc.constantFrom("\n", "\r\n", " ", "}", '\n{"text":1}\n', "x"))
    .map((all) => all.join(""));
  const body = fc.oneof(
    fc.oneof(value, indented, torn, followed).map(bytesOf),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Uint8Array.of(0x7b, ...bytes)),
  );
  const type = fc.constantFrom(
    "application/json",
    "application/JSON; charset=utf-8",
    "application/x-ndjson",
    "text/plain",
    "",
  );

  it("is read as the same body that comes in pieces", () => {
    let taken = 0;
    fc.assert(
      fc.property(body, type, fc.boolean(), fc.constantFrom(200, 400), (bytes, contentType, interrupted, status) => {
        const options = { status, responseHeaders: { "content-type": contentType } };
        const [whole, pushed] = [assemble(options), assemble(options)];
        if (!whole.assembly.takeJson(bytes)) return;
        taken += 1;
        pushed.assembly.push(bytes, 1);
        expect(whole.assembly.heldLength).toBe(pushed.assembly.heldLength);
        expect(whole.assembly.streaming).toBe(pushed.assembly.streaming);
        expect(whole.assembly.finish({ interrupted })).toEqual(pushed.assembly.finish({ interrupted }));
        expect(whole.seen).toEqual(pushed.seen);
      }),
      { numRuns: 2_000 },
    );
    expect(taken).toBeGreaterThan(200);
  });

  it("is not taken where it is too large, of another type, or more than one line", () => {
    const take = (text: string, more: Partial<AssemblyOptions> = {}): boolean =>
      assemble({ responseHeaders: json, ...more }).assembly.takeJson(bytesOf(text));
    expect(take('{"text":1}')).toBe(true);
    expect(take('{"text":1}', { maxBodyBytes: 9 })).toBe(false);
    expect(take('{"text":1}\n{"text":2}')).toBe(false);
    expect(take('[{"text":1}]')).toBe(false);
    expect(take(' {"text":1}')).toBe(false);
    expect(take('{"text":1}', { responseHeaders: { "content-type": "application/x-ndjson" } })).toBe(false);
    expect(take('{"text":1}', { responseHeaders: {} })).toBe(false);
  });
});
