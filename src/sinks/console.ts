/** Prints one line per call and span. */
import process from "node:process";
import { styleText } from "node:util";
import type { LlmCall, Outcome, Part, Sink, Span, TapRecord } from "../types.ts";
import { plainLine } from "./shared/terminal-text.ts";
import { allResults } from "./shared/results.ts";

/** What the sink needs of a stream: `process.stderr`, `process.stdout` or one of your own. */
export interface ConsoleSinkStream {
  write(text: string, callback: (error?: Error | null) => void): unknown;
  on?(event: "error", listener: () => void): unknown;
  off?(event: "error", listener: () => void): unknown;
  isTTY?: boolean;
}

export interface ConsoleSinkOptions {
  /** Default `console`. */
  name?: string;
  /** `full` adds a shortened preview of the output. Default `metadata`: a terminal's scrollback is no place for prompts. */
  content?: "full" | "metadata";
  /** Where lines go. Default `process.stderr`, so that what an app prints on stdout stays its own. */
  stream?: ConsoleSinkStream;
  /** Default: only on a terminal; the environment variables FORCE_COLOR and NO_COLOR are honoured, in this order. */
  color?: boolean;
  /** Characters of the preview. Default 120. */
  previewLength?: number;
}

type Style = (format: Parameters<typeof styleText>[0], text: string) => string;

const OUTCOME_STYLE: Record<Outcome, Parameters<typeof styleText>[0]> = {
  success: "green",
  error: "red",
  cancelled: "yellow",
  truncated: "yellow",
};

/**
 * A sink for the eye: provider, model, operation, outcome, tokens in and out (cached, reasoning), cost, time to first
 * token, latency, tool names and error, one line each. Whatever came off the wire is stripped of escape sequences and of
 * control, bidi and invisible characters. A stream that fails never reaches the app; its lines count as rejected.
 *
 * @example
 * createTap({ sinks: [consoleSink({ content: "full" })] });
 * // openai gpt-5-mini chat success 812 in (640 cached) 153 out $0.0012 ttft 320ms 1.42s tools get_weather
 */
export function consoleSink(options: ConsoleSinkOptions = {}): Sink {
  const { name = "console", content = "metadata", previewLength = 120 } = options;
  const stream: ConsoleSinkStream = options.stream ?? process.stderr;
  const style: Style =
    (options.color ?? wantsColor(stream))
      ? (format, text) => styleText(format, text, { validateStream: false })
      : (_format, text) => text;
  const preview = content === "full" ? previewLength : 0;
  let closed = false;

  function lines(records: readonly TapRecord[]): string {
    return records.map((record) => `${formatRecord(record, style, preview)}\n`).join("");
  }

  return {
    name,
    content,
    followed: false,
    write(records) {
      if (closed) return Promise.resolve(allResults(records.length, "rejected"));
      if (records.length === 0) return Promise.resolve({ results: [] });
      return new Promise((resolve) => {
        // A broken pipe is emitted as well as passed to the callback; without a listener it would end the process.
        const ignore = (): void => undefined;
        stream.on?.("error", ignore);
        const settle = (failed: boolean): void => {
          // The event comes right after the callback.
          setImmediate(() => stream.off?.("error", ignore));
          resolve(allResults(records.length, failed ? "rejected" : "delivered"));
        };
        try {
          stream.write(lines(records), (error) => settle(error !== undefined && error !== null));
        } catch {
          settle(true);
        }
      });
    },
    writeSync(records) {
      if (!closed && records.length > 0) stream.write(lines(records), () => undefined);
    },
    async close() {
      closed = true;
    },
  };
}

function formatRecord(record: TapRecord, style: Style, preview: number): string {
  const fields = record.type === "call" ? callFields(record, style, preview) : spanFields(record, style, preview);
  return fields.filter((field) => field !== undefined && field !== "").join(" ");
}

function callFields(call: LlmCall, style: Style, preview: number): (string | undefined)[] {
  const { usage, cost, timing, error, response } = call;
  const parts = response?.choices.flatMap((choice) => choice.message.parts) ?? [];
  return [
    style("cyan", plainLine(call.provider)),
    style("bold", plainLine(response?.model ?? call.request.model ?? "")),
    call.operation,
    style(OUTCOME_STYLE[call.outcome], call.outcome),
    tokens(usage.inputTokens, "in", [
      ["cached", usage.cacheReadTokens],
      ["written", usage.cacheWriteTokens],
    ]),
    tokens(usage.outputTokens, "out", [["reasoning", usage.reasoningTokens]]),
    cost === undefined ? undefined : formatUsd(cost.totalUsd),
    timing.firstTokenMs === undefined ? undefined : `ttft ${formatDuration(timing.firstTokenMs)}`,
    formatDuration(timing.durationMs),
    toolNames(parts),
    error === undefined ? undefined : style("red", formatError(error)),
    preview > 0 ? quote(outputText(parts), style, preview) : undefined,
  ];
}

function spanFields(span: Span, style: Style, preview: number): (string | undefined)[] {
  return [
    style("magenta", `span ${span.kind}`),
    style("bold", plainLine(span.name)),
    span.error === undefined ? style("green", "success") : style("red", "error"),
    formatDuration(span.timing.durationMs),
    span.error === undefined ? undefined : style("red", formatError(span.error)),
    preview > 0 && typeof span.output === "string" ? quote(span.output, style, preview) : undefined,
  ];
}

function tokens(
  count: number | undefined,
  direction: string,
  details: [string, number | undefined][],
): string | undefined {
  if (count === undefined) return undefined;
  const known = details
    .filter(([, value]) => value !== undefined && value > 0)
    .map(([word, value]) => `${value} ${word}`);
  return `${count} ${direction}${known.length > 0 ? ` (${known.join(", ")})` : ""}`;
}

function toolNames(parts: readonly Part[]): string | undefined {
  const names = parts.flatMap((part) =>
    part.type === "tool_call" || part.type === "server_tool_call" ? [plainLine(part.name, 60)] : [],
  );
  return names.length === 0 ? undefined : `tools ${names.slice(0, 10).join(",")}${names.length > 10 ? ",…" : ""}`;
}

function outputText(parts: readonly Part[]): string {
  return parts.flatMap((part) => (part.type === "text" ? [part.content] : [])).join(" ");
}

function quote(text: string, style: Style, length: number): string | undefined {
  const plain = plainLine(text, length);
  return plain === "" ? undefined : style("dim", `"${plain}"`);
}

function formatError(error: NonNullable<LlmCall["error"]>): string {
  const head = [error.kind, error.status, error.type, error.code].filter((word) => word !== undefined);
  return plainLine(`${head.join(" ")}: ${error.message}`);
}

function formatDuration(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)}ms` : `${(milliseconds / 1000).toFixed(2)}s`;
}

/** Enough digits to tell a cheap call from a free one. */
function formatUsd(usd: number): string {
  return `$${usd >= 1 || usd === 0 ? usd.toFixed(2) : usd.toFixed(Math.min(8, 1 - Math.floor(Math.log10(usd))))}`;
}

/** The rule that Node has for its own streams: FORCE_COLOR first, then NO_COLOR, then whether a person is looking. */
function wantsColor(stream: ConsoleSinkStream): boolean {
  const { FORCE_COLOR, NO_COLOR, NODE_DISABLE_COLORS, TERM } = process.env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  if ((NO_COLOR ?? "") !== "" || (NODE_DISABLE_COLORS ?? "") !== "") return false;
  return stream.isTTY === true && TERM !== "dumb";
}
