/** What the OpenTelemetry sink can be told, by options and by OpenTelemetry's environment variables. */
import process from "node:process";
import type { Attributes, MeterProvider, Tracer, TracerProvider } from "@opentelemetry/api";
import { TapError } from "../../errors.ts";
import type { TapRecord } from "../../types.ts";
import type { Semconv } from "./names.ts";
import type { GenAiSpanWatcher } from "./watch-spans.ts";

/** Where prompts and answers go. */
export type OtelContent = "none" | "span" | "event" | "span_and_event";

/** What the sink uses of a provider of `@opentelemetry/api-logs`, or of `logs` in `@opentelemetry/api` from 1.10 on. */
export interface OtelLoggerProvider {
  // The packages declare different types of log records; all of them take ours.
  // oxlint-disable-next-line typescript/no-explicit-any
  getLogger(name: string, version?: string): { emit(record: any): void };
}

export interface OpentelemetrySinkOptions {
  /** Default `opentelemetry`. */
  name?: string;
  /** Default: the provider that the app has registered. */
  tracerProvider?: TracerProvider;
  /** Spans come from here. Then, without `tracerProvider`, nothing can be confirmed: records count as unknown. */
  tracer?: Tracer;
  /** Default: the provider that the app has registered. `false`: no metrics. */
  meterProvider?: MeterProvider | false;
  /** Default: the provider that the app has registered. `false`: no events. */
  loggerProvider?: OtelLoggerProvider | false;
  /**
   * Generation of the conventions. Default: `latest` where OTEL_SEMCONV_STABILITY_OPT_IN lists
   * `gen_ai_latest_experimental`, else `1.41`.
   */
  semconv?: Semconv;
  /** Where content goes. Default: what OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, else `none`. */
  content?: OtelContent;
  /**
   * Leave a call to the instrumentation that has made a `gen_ai.*` span for it, where that span was active when the call
   * was made. Default true.
   */
  skipInstrumented?: boolean;
  /**
   * The same for spans that get their attributes later, or are not active around the call. Make it with
   * `watchGenAiSpans()` and give it to your tracer provider as a span processor too.
   */
  skipUnder?: GenAiSpanWatcher;
  /** Attributes of your own for the span of a record; they win. */
  attributes?: (record: TapRecord) => Attributes | undefined;
  /** Wait until the exporter has confirmed (`forceFlush`). `false`: records count as unknown. Default true. */
  confirm?: boolean;
  /** Told once of each thing that only a person can mend. Default: one line on stderr. */
  onWarning?: (message: string) => void;
}

const CONTENTS: ReadonlySet<unknown> = new Set<OtelContent>(["none", "span", "event", "span_and_event"]);

/** Values of the environment variable, in lower case; `true` and `false` are those of its first generation. */
const CONTENT_WORDS: Readonly<Record<string, OtelContent>> = {
  no_content: "none",
  false: "none",
  span_only: "span",
  event_only: "event",
  span_and_event: "span_and_event",
  true: "span_and_event",
};

/** @throws TapError `invalid_option` */
export function readContentOption(content: OtelContent | undefined): OtelContent {
  if (content !== undefined) {
    if (CONTENTS.has(content)) return content;
    throw new TapError(
      "invalid_option",
      `opentelemetrySink: "content" must be "none", "span", "event" or "span_and_event", got ${JSON.stringify(content)}.`,
    );
  }
  const word = process.env["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"]?.trim().toLowerCase() ?? "";
  return Object.hasOwn(CONTENT_WORDS, word) ? (CONTENT_WORDS[word] as OtelContent) : "none";
}

/** @throws TapError `invalid_option` */
export function readSemconvOption(semconv: Semconv | undefined): Semconv {
  if (semconv !== undefined) {
    if (semconv === "1.41" || semconv === "latest") return semconv;
    throw new TapError(
      "invalid_option",
      `opentelemetrySink: "semconv" must be "1.41" or "latest", got ${JSON.stringify(semconv)}.`,
    );
  }
  const words = (process.env["OTEL_SEMCONV_STABILITY_OPT_IN"] ?? "").split(",").map((word) => word.trim());
  return words.includes("gen_ai_latest_experimental") ? "latest" : "1.41";
}

/** @throws TapError `invalid_option` */
export function checkProviders(options: OpentelemetrySinkOptions): void {
  const methods = [
    ["tracerProvider", "getTracer"],
    ["tracer", "startSpan"],
    ["meterProvider", "getMeter"],
    ["loggerProvider", "getLogger"],
  ] as const;
  for (const [option, method] of methods) {
    const given = options[option] as Record<string, unknown> | false | undefined;
    if (given === undefined || (given === false && (option === "meterProvider" || option === "loggerProvider")))
      continue;
    if (typeof given !== "object" || given === null || typeof given[method] !== "function") {
      throw new TapError("invalid_option", `opentelemetrySink: "${option}" must have a method ${method}().`);
    }
  }
}
