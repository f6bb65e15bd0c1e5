import { Writable } from "node:stream";
import process from "node:process";
import { afterEach, describe, expect, it, vi } from "vitest";
import { consoleSink, type ConsoleSinkOptions } from "../../src/sinks/console.ts";
import { sampleCall, sampleErrorCall, sampleMetadataCall, sampleSpan } from "../../src/testing/sample-records.ts";
import { testSink } from "../../src/testing/sink-contract.ts";
import type { LlmCall, Part, TapRecord } from "../../src/types.ts";

const options = { signal: new AbortController().signal };

function createStream(isTTY = false): Writable & { text: string; isTTY: boolean } {
  const stream = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        stream.text += chunk.toString();
        done();
      },
    }),
    { text: "", isTTY },
  );
  return stream;
}

async function print(record: TapRecord, more: ConsoleSinkOptions = {}): Promise<string> {
  const stream = createStream();
  await consoleSink({ stream, color: false, ...more }).write([record], options);
  return stream.text;
}

function callSaying(parts: Part[], overrides: Partial<LlmCall> = {}): LlmCall {
  const call = sampleCall(overrides);
  return { ...call, response: { ...call.response!, choices: [{ index: 0, message: { role: "assistant", parts } }] } };
}

testSink({ name: "console", create: () => consoleSink({ stream: createStream() }) }, { describe, it, expect });

describe("consoleSink", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it("prints a call as one line of facts, without content", async () => {
    expect(
      await print(
        callSaying([
          { type: "text", content: "secret" },
          { type: "tool_call", name: "get_weather" },
        ]),
      ),
    ).toBe(
      "openai gpt-5-mini-2025-08-07 chat success 100 in (80 cached) 50 out (20 reasoning) $0.0012 ttft 216ms 1.42s tools get_weather\n",
    );
  });

  it("prints an error with its kind, status and message", async () => {
    expect(await print(sampleErrorCall())).toBe(
      "openai gpt-5-mini chat error 92ms http 429 rate_limit_error rate_limit_exceeded: Rate limit reached for requests\n",
    );
  });

  it("prints a span", async () => {
    expect(await print(sampleSpan())).toBe("span tool get_weather success 35ms\n");
    const failed = sampleSpan({ error: { kind: "stream", message: "no such city" } });
    expect(await print(failed)).toBe("span tool get_weather error 35ms stream: no such city\n");
  });

  it("leaves out what is not known", async () => {
    const { cost: _cost, ...call } = sampleMetadataCall({
      usage: { source: "missing", complete: false },
      timing: { startedAt: 0, durationMs: 5 },
    });
    expect(await print(call)).toBe("openai gpt-5-mini-2025-08-07 chat success 5ms\n");
  });

  it("adds a shortened preview only with content full", async () => {
    const call = callSaying([{ type: "text", content: `line one\nline two ${"x".repeat(500)}` }]);
    const line = await print(call, { content: "full", previewLength: 30 });
    expect(line).toMatch(/ "line one line two x{12}…"\n$/);
    expect(await print(call)).not.toContain("line one");
  });

  it.each([
    ["colour and cursor sequences", "\u001B[31mred\u001B[0m \u001B[2J\u001B[1;1Hgone", "red gone"],
    ["8-bit sequences", "\u009B31mred\u009D0;title\u009C!", "red!"],
    [
      "a title, a link and a clipboard write",
      "\u001B]0;title\u0007a\u001B]8;;http://x\u001B\\b\u001B]52;c;cGF3bmVk\u0007c",
      "abc",
    ],
    ["a sequence that never ends", "a\u001B]0;never ends", "a"],
    ["line breaks", "a\r\nb\u2028c\u0085d\te", "a b c d e"],
    ["control characters", "a\u0000b\u0007c\u0008d\u007Fe\u0090f", "abcde"],
    ["bidi controls", "\u202Eevil\u202C \u2066x\u2069\u200F\u061C", "evil x"],
    ["invisible and tag characters", "a\u200Bb\uFEFFc\u{E0041}d", "abcd"],
    ["lone surrogates", "a\uD800b\uDFFF", "ab"],
    ["nothing bad", "张三 👩‍🚀 é", "张三 👩‍🚀 é"],
  ])("strips %s from everything that came off the wire", async (_name, text, plain) => {
    const call = callSaying(
      [
        { type: "text", content: text },
        { type: "tool_call", name: text },
      ],
      {
        provider: text,
        error: { kind: "stream", message: text },
      },
    );
    const line = await print({ ...call, response: { ...call.response!, model: text } }, { content: "full" });
    expect(line).toBe(
      `${plain} ${plain} chat success 100 in (80 cached) 50 out (20 reasoning) $0.0012 ttft 216ms 1.42s ` +
        `tools ${plain} stream: ${plain} "${plain}"\n`,
    );
    expect(await print(sampleSpan({ name: text, output: text }), { content: "full" })).toBe(
      `span tool ${plain} success 35ms "${plain}"\n`,
    );
  });

  it("takes hostile megabytes in its stride", async () => {
    const line = await print(callSaying([{ type: "text", content: "\u001B[".repeat(2_000_000) }]), { content: "full" });
    expect(line.length).toBeLessThan(1_000);
  });

  it.each([
    { name: "a file", isTTY: false, environment: {}, colored: false },
    { name: "a terminal", isTTY: true, environment: {}, colored: true },
    { name: "a terminal with NO_COLOR", isTTY: true, environment: { NO_COLOR: "1" }, colored: false },
    { name: "a terminal with an empty NO_COLOR", isTTY: true, environment: { NO_COLOR: "" }, colored: true },
    { name: "a dumb terminal", isTTY: true, environment: { TERM: "dumb" }, colored: false },
    { name: "a file with FORCE_COLOR", isTTY: false, environment: { FORCE_COLOR: "1" }, colored: true },
    {
      name: "FORCE_COLOR over NO_COLOR",
      isTTY: false,
      environment: { FORCE_COLOR: "1", NO_COLOR: "1" },
      colored: true,
    },
    { name: "a terminal with FORCE_COLOR=0", isTTY: true, environment: { FORCE_COLOR: "0" }, colored: false },
  ])("colours for $name: $colored", async ({ isTTY, environment, colored }) => {
    for (const variable of ["FORCE_COLOR", "NO_COLOR", "NODE_DISABLE_COLORS"]) vi.stubEnv(variable, undefined);
    vi.stubEnv("TERM", "xterm-256color");
    for (const [variable, value] of Object.entries(environment)) vi.stubEnv(variable, value);
    const stream = createStream(isTTY);
    await consoleSink({ stream }).write([sampleCall()], options);
    expect(stream.text.includes("\u001B[")).toBe(colored);
  });

  it("writes to stderr and leaves stdout alone", async () => {
    const written = vi.spyOn(process.stderr, "write").mockImplementation(((_text: string, done: () => void) => {
      done();
      return true;
    }) as never);
    const stdout = vi.spyOn(process.stdout, "write");
    await consoleSink().write([sampleCall()], options);
    expect(written).toHaveBeenCalledOnce();
    expect(stdout).not.toHaveBeenCalled();
  });

  it("counts lines as rejected when the stream fails, and lets no error out", async () => {
    const broken = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
    const sink = consoleSink({ stream: broken });
    expect(await sink.write([sampleCall(), sampleCall()], options)).toEqual({ results: ["rejected", "rejected"] });
    expect(await sink.write([sampleCall()], options)).toEqual({ results: ["rejected"] });
    await new Promise((resolve) => setTimeout(resolve, 10));
  });
});
