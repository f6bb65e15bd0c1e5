/** All that leaves a process: a tap with every sink there is, and what each of them was given, as one text. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { inspect } from "node:util";
import { vi } from "vitest";
import { createTap, type Tap, type TapOptions } from "../../src/index.ts";
import { durable } from "../../src/outbox/index.ts";
import { amplitudeSink } from "../../src/sinks/amplitude.ts";
import { consoleSink } from "../../src/sinks/console.ts";
import { httpSink } from "../../src/sinks/http.ts";
import { jsonlSink } from "../../src/sinks/jsonl.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { opentelemetrySink } from "../../src/sinks/opentelemetry.ts";
import type { Sink } from "../../src/types.ts";

export interface Outlets {
  tap: Tap;
  /** Closes the tap. @returns by name, all that has left */
  collect(): Promise<Map<string, string>>;
}

/** @param content - what the sinks may get at most */
export function openOutlets(options: TapOptions, content?: "metadata"): Outlets {
  const directory = mkdtempSync(join(tmpdir(), "llm-tap-canaries-"));
  const left = new Map<string, string>();
  const add = (name: string, text: string): void => void left.set(name, `${left.get(name) ?? ""}\n${text}`);
  const answering =
    (name: string, status: number, body: unknown): typeof fetch =>
    async (url, init) => {
      const request = new Request(url, init);
      add(name, `${request.url} ${inspect([...request.headers])} ${await request.text()}`);
      return Response.json(body, { status });
    };
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    add("stderr", String(text));
    return true;
  });
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const onWarning = (message: string): void => add("warnings", message);
  const full = content === undefined ? {} : { content };
  const collector = { url: "https://collector.example/in", onWarning, ...full };
  const memory = memorySink();
  const sinks: Sink[] = [
    memory,
    amplitudeSink({
      apiKey: "a".repeat(32),
      schema: "both",
      onWarning,
      fetch: answering("amplitude", 200, {
        code: 200,
        events_ingested: 1,
        payload_size_bytes: 1,
        server_upload_time: 1,
      }),
      ...full,
    }),
    opentelemetrySink({
      tracerProvider,
      meterProvider: false,
      loggerProvider: {
        getLogger: () => ({ emit: (record: unknown) => add("opentelemetry", inspect(record, { depth: 20 })) }),
      },
      content: content === undefined ? "span_and_event" : "none",
      onWarning,
    }),
    jsonlSink({ path: join(directory, "calls.jsonl"), ...full }),
    consoleSink({ stream: { write: (text, done) => (add("console", text), done(null)) }, content: content ?? "full" }),
    httpSink({ ...collector, name: "http", fetch: answering("http", 200, {}) }),
    durable(httpSink({ ...collector, name: "refused", fetch: answering("refused", 400, {}) }), {
      dir: join(directory, "refused"),
      onWarning,
    }),
    durable(httpSink({ ...collector, name: "down", fetch: answering("down", 503, {}) }), {
      dir: join(directory, "down"),
      onWarning,
    }),
  ];
  const tap = createTap({ ...options, sinks });
  tap.on("error", (error) => add("onError", inspect(error, { depth: 10 })));
  // Sinks that get metadata only say nothing of listeners.
  if (content === undefined) {
    tap.on("call", (call) => add("listeners", JSON.stringify(call)));
    tap.on("span", (span) => add("listeners", JSON.stringify(span)));
  }

  async function collect(): Promise<Map<string, string>> {
    // One of them is down for good: it would hold a flush to its end.
    await vi.waitFor(
      async () => {
        const { bySink } = await tap.flush({ timeoutMs: 100 });
        const pending = Object.entries(bySink).filter(([name, counts]) => name !== "down" && counts.pending > 0);
        if (pending.length > 0 || !left.has("down")) throw new Error(`pending: ${JSON.stringify(bySink)}`);
      },
      { timeout: 30_000, interval: 20 },
    );
    await tap.close({ timeoutMs: 100 });
    stderr.mockRestore();
    add("stats", JSON.stringify(tap.stats()));
    add("memory", content === undefined ? JSON.stringify(memory.records) : "");
    for (const span of exporter.getFinishedSpans())
      add("opentelemetry", inspect({ ...span, resource: undefined }, { depth: 6 }));
    for (const path of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
      const file = join(directory, path);
      if (statSync(file).isFile())
        add("files", `${path}\n${readFileSync(file, "latin1")}\n${readFileSync(file, "utf8")}`);
    }
    rmSync(directory, { recursive: true, force: true });
    return left;
  }

  return { tap, collect };
}
