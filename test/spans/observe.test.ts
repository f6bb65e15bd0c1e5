import { execFileSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createTap, type Span, type Tap, type TapOptions } from "../../src/index.ts";
import { type MemorySink, memorySink } from "../../src/sinks/memory.ts";
import { chatRequest, type LoopbackServer, startServer } from "../tap/helpers.ts";

let server: LoopbackServer;
let tap: Tap;
let sink: MemorySink;

function start(options: TapOptions = {}): void {
  sink = memorySink();
  tap = createTap({ sinks: [sink], ...options });
}

beforeEach(async () => {
  server = await startServer();
  start();
});
afterEach(async () => {
  await tap.close();
  await server.close();
});

async function chat(from: Tap = tap): Promise<void> {
  await (await from.fetch(`${server.origin}/v1/chat/completions`, chatRequest())).text();
}

async function recorded(): Promise<Span[]> {
  await tap.flush();
  return sink.spans;
}

async function one(): Promise<Span> {
  const spans = await recorded();
  expect(spans).toHaveLength(1);
  return spans[0] as Span;
}

describe("a function", () => {
  it("gets its this, its arguments, and gives what it gives, at once", async () => {
    const result = { list: [1] };
    class Calculator {
      base = 1;
      add(first: number, second: { n: number }): unknown {
        return { result, self: this, sum: this.base + first + second.n };
      }
    }
    const calculator = new Calculator();
    calculator.add = tap.observe(calculator.add.bind(calculator), { name: "add", kind: "workflow" });
    const given = calculator.add(2, { n: 3 }) as { result: object; self: object; sum: number };
    expect(given.result).toBe(result);
    expect(given.self).toBe(calculator);
    expect(given.sum).toBe(6);
    expect(await one()).toMatchObject({
      type: "span",
      kind: "workflow",
      name: "add",
      source: "observe",
      input: [2, { n: 3 }],
      output: { result: { list: [1] }, sum: 6 },
      capture: { via: "observe", content: "full" },
    });
  });

  it("stays what it was: name, length, properties", () => {
    async function search(_query: string, _limit: number): Promise<string[]> {
      return [];
    }
    search.schema = { type: "object" };
    const observed = tap.observe(search);
    expect(observed.name).toBe("search");
    expect(observed).toHaveLength(2);
    expect(observed.schema).toBe(search.schema);
  });

  it("is known by its own name, or as anonymous, and is a chain", async () => {
    const search = (): number => 1;
    tap.observe(search)();
    tap.observe(() => 1)();
    expect((await recorded()).map(({ name, kind }) => [name, kind])).toEqual([
      ["search", "chain"],
      ["anonymous", "chain"],
    ]);
  });

  it("lasts as long as its promise", async () => {
    const observed = tap.observe(async (milliseconds: number) => {
      await delay(milliseconds);
      return "done";
    });
    expect(await observed(30)).toBe("done");
    const span = await one();
    expect(span).toMatchObject({ input: 30, output: "done" });
    expect(span.timing.durationMs).toBeGreaterThan(25);
  });

  it("fails with just what it threw", async () => {
    const error = Object.assign(new RangeError("too far for sk-proj-abcdefghijklmnopqrstuvwx"), { code: "FAR" });
    const sync = tap.observe(() => {
      throw error;
    });
    const later = tap.observe(() => Promise.reject(error));
    expect(() => sync()).toThrow(error);
    await expect(later()).rejects.toBe(error);
    const abort = AbortSignal.abort();
    await expect(tap.observe(async () => abort.throwIfAborted())()).rejects.toBe(abort.reason);
    const nothing = tap.observe(() => {
      throw undefined;
    });
    expect(() => nothing()).toThrow();
    const errors = (await recorded()).map((span) => span.error);
    const expected = { kind: "app", type: "RangeError", code: "FAR", message: "too far for [api_key]" };
    expect(errors).toMatchObject([expected, expected, { kind: "abort", type: "AbortError" }, { kind: "app" }]);
  });

  it("keeps a rejection that nobody handles visible", async () => {
    const seen: unknown[] = [];
    const listener = (reason: unknown): void => {
      seen.push(reason);
    };
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", listener);
    const error = new Error("nobody looks");
    tap
      .observe(async () => {
        throw error;
      })()
      .then(
        () => {},
        () => {},
      );
    await delay(5);
    expect(seen).toEqual([]);
    void tap.observe(async () => {
      throw error;
    })();
    await delay(5);
    process.off("unhandledRejection", listener);
    for (const other of others) process.on("unhandledRejection", other);
    expect(seen).toEqual([error]);
  });

  it("may give a promise with methods of its own, the same object", async () => {
    class ApiPromise<Value> extends Promise<Value> {
      withResponse(): string {
        return "response";
      }
    }
    const promise = new ApiPromise<number>((resolve) => {
      setTimeout(resolve, 5, 7);
    });
    const observed = tap.observe(() => promise)();
    expect(observed).toBe(promise);
    expect(observed.withResponse()).toBe("response");
    expect(await observed).toBe(7);
    expect((await one()).output).toBe(7);
  });

  it("never has a query begun twice", async () => {
    let begun = 0;
    const query = {
      // oxlint-disable-next-line unicorn/no-thenable -- such queries are what this is about
      then: (resolve: (rows: number[]) => void) => {
        begun += 1;
        resolve([1]);
      },
    };
    const observed = tap.observe(() => query);
    expect(observed()).toBe(query);
    expect(begun).toBe(0);
    expect(await observed()).toEqual([1]);
    expect(begun).toBe(1);
    expect(await recorded()).toHaveLength(2);
  });
});

describe("a generator", () => {
  it("is a span until it ends, and each of its steps is in it", async () => {
    const observed = tap.observe(async function* words(): AsyncGenerator<string, string> {
      await chat();
      yield "one ";
      await delay(20);
      yield "two";
      return "all";
    });
    const generator = observed();
    const seen: string[] = [];
    for await (const word of generator) seen.push(word);
    expect(seen).toEqual(["one ", "two"]);
    expect(generator[Symbol.asyncIterator]()).toBe(generator);
    const span = await one();
    expect(span).toMatchObject({ name: "words", output: "one two" });
    expect(span.timing.durationMs).toBeGreaterThan(15);
    expect(sink.calls[0]?.trace).toMatchObject({ traceId: span.trace.traceId, parentSpanId: span.trace.spanId });
  });

  it("gets what it is sent: values, return and throw", async () => {
    const log: unknown[] = [];
    const observed = tap.observe(function* echo(): Generator<number, string, unknown> {
      try {
        log.push(yield 1, yield 2);
        return "end";
      } catch (error) {
        log.push(error);
        return "caught";
      } finally {
        log.push("finally");
      }
    });
    const first = observed();
    expect([first.next(), first.next("a"), first.next("b")]).toEqual([
      { value: 1, done: false },
      { value: 2, done: false },
      { value: "end", done: true },
    ]);
    const second = observed();
    second.next();
    expect(second.return("early")).toEqual({ value: "early", done: true });
    const third = observed();
    third.next();
    expect(third.throw("oops")).toEqual({ value: "caught", done: true });
    expect(log).toEqual(["a", "b", "finally", "finally", "oops", "finally"]);
    expect((await recorded()).map(({ output }) => output)).toEqual([[1, 2], [1], [1]]);
  });

  it("ends with a break, and with an error of its own", async () => {
    const error = new Error("broken");
    const observed = tap.observe(async function* numbers(fails: boolean) {
      yield 1;
      if (fails) throw error;
      yield 2;
    });
    for await (const _number of observed(false)) break;
    await expect(
      (async () => {
        for await (const _number of observed(true));
      })(),
    ).rejects.toBe(error);
    expect(await recorded()).toMatchObject([{ output: [1] }, { error: { message: "broken" } }]);
    expect(sink.spans[0]).not.toHaveProperty("error");
  });

  it("delegates, and is used by what takes iterables", async () => {
    const observed = tap.observe(function* two() {
      yield "a";
      yield "b";
    });
    function* outer(): Generator<string> {
      yield* observed();
    }
    expect([...outer(), ...Array.from(observed())]).toEqual(["a", "b", "a", "b"]);
    expect((await recorded()).map(({ output }) => output)).toEqual(["ab", "ab"]);
  });
});

describe("a stream of an SDK", () => {
  class Stream {
    controller = new AbortController();
    async *[Symbol.asyncIterator](): AsyncGenerator<{ text: string }> {
      for (const text of ["a", "b"]) {
        await delay(5);
        yield { text };
      }
    }
  }

  it("stays the object it is; the span ends with its iteration", async () => {
    const stream = new Stream();
    const given = await tap.observe(async () => stream)();
    expect(given).toBe(stream);
    expect(Object.keys(given)).toEqual(["controller"]);
    expect(await recorded()).toEqual([]);
    for await (const _chunk of given);
    expect((await one()).output).toEqual([{ text: "a" }, { text: "b" }]);
  });

  it("that is frozen, or of the platform, is let alone", async () => {
    tap.observe(() => Object.freeze(new Stream()))();
    tap.observe(() => new ReadableStream())();
    tap.observe(() => [1, 2])();
    expect(await recorded()).toHaveLength(3);
  });
});

describe("tap.span", () => {
  it("gives its function a span to speak to", async () => {
    const properties: Record<string, unknown> = { plan: "pro", big: "x".repeat(100_000) };
    properties["self"] = properties;
    const result = await tap.run({ userId: "ann", properties: { from: "run" } }, () =>
      tap.span(
        "answer",
        async (span) => {
          span.setOutput({ n: 1 });
          span.setProperties(properties);
          span.setProperties({ more: true });
          expect(span.traceId).toMatch(/^[0-9a-f]{32}$/);
          return span.spanId;
        },
        { kind: "agent" },
      ),
    );
    expect(await one()).toMatchObject({
      name: "answer",
      kind: "agent",
      output: { n: 1 },
      context: { userId: "ann", properties: { from: "run", plan: "pro", more: true } },
      trace: { spanId: result },
      capture: { notes: ["context_too_large", "context_invalid"] },
    });
  });

  it("nests, and calls are children of the innermost", async () => {
    await tap.span("outer", async (outer) => {
      await chat();
      await Promise.all([
        tap.span("left", async () => {
          await delay(2);
          await chat();
        }),
        tap.span("right", () => chat()),
      ]);
      await chat();
      expect(outer.spanId).toBeDefined();
    });
    const spans = new Map((await recorded()).map((span) => [span.name, span]));
    const [outer, left, right] = ["outer", "left", "right"].map((name) => spans.get(name)?.trace);
    expect(outer).not.toHaveProperty("parentSpanId");
    expect([left?.parentSpanId, right?.parentSpanId]).toEqual([outer?.spanId, outer?.spanId]);
    const all = [...sink.calls, ...sink.spans];
    expect(new Set(all.map(({ trace }) => trace.traceId))).toEqual(new Set([outer?.traceId]));
    const parents = sink.calls.map(({ trace }) => trace.parentSpanId);
    const count = (spanId: string | undefined) => parents.filter((parent) => parent === spanId).length;
    expect([count(outer?.spanId), count(left?.spanId), count(right?.spanId)]).toEqual([2, 1, 1]);
    expect(sink.calls.every(({ trace }) => trace.linkedBy === "context")).toBe(true);
  });

  it("is in the trace that the app gave, and a run inside with another one leaves it", async () => {
    await tap.run({ traceId: "mine", parentSpanId: "p" }, () =>
      tap.span("outer", async () => {
        await chat();
        await tap.run({ traceId: "other" }, () => chat());
      }),
    );
    const span = await one();
    expect(span.trace).toMatchObject({ traceId: "mine", parentSpanId: "p", linkedBy: "context" });
    expect(sink.calls.map(({ trace }) => [trace.traceId, trace.parentSpanId])).toEqual([
      ["mine", span.trace.spanId],
      ["other", undefined],
    ]);
  });

  it("of a tap bound to a context carries it on, also to other fetches", async () => {
    await tap.with({ userId: "ann", sessionId: "s" }).span("outer", () => tap.run({ sessionId: "t" }, () => chat()));
    expect((await one()).context).toEqual({ userId: "ann", sessionId: "s" });
    expect(sink.calls[0]?.context).toEqual({ userId: "ann", sessionId: "t" });
  });

  it.each<[string, () => unknown]>([
    ["no function", () => tap.span("x", undefined as never)],
    ["no name", () => tap.span(undefined as never, () => 1)],
    ["an unknown kind", () => tap.span("x", () => 1, { kind: "model" as never })],
    ["options that are none", () => tap.observe(() => 1, "x" as never)],
  ])("refuses %s", (_name, use) => {
    expect(use).toThrow(TypeError);
  });
});

/** Standard decorators are compiled by nobody here but TypeScript itself. */
async function importDecorated(): Promise<typeof import("./decorated.ts")> {
  const folder = mkdtempSync(join(tmpdir(), "decorated-"));
  const source = fileURLToPath(new URL("decorated.ts", import.meta.url));
  const compiler = fileURLToPath(new URL("../../node_modules/.bin/tsc", import.meta.url));
  const target = ["--target", "es2022", "--module", "es2022", "--rootDir", dirname(source), "--outDir", folder];
  execFileSync(compiler, ["--ignoreConfig", "--noCheck", "--noResolve", ...target, source], { stdio: "pipe" });
  renameSync(join(folder, "decorated.js"), join(folder, "decorated.mjs"));
  try {
    return (await import(pathToFileURL(join(folder, "decorated.mjs")).href)) as typeof import("./decorated.ts");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("@tap.observe()", () => {
  it("observes methods, getters and fields of a class", async () => {
    const Agent = (await importDecorated()).makeAgent(tap);
    expect(new Agent().mood).toBe("> good");
    expect(await new Agent().run("why?")).toBe("> > why?");
    expect(Agent.shared()).toBe(1);
    expect((await recorded()).map(({ name, kind, trace }) => [name, kind, trace.parentSpanId !== undefined])).toEqual([
      ["mood", "chain", false],
      ["lookup", "tool", true],
      ["run", "agent", false],
      ["shared", "chain", false],
    ]);
    expect(sink.spans[1]?.tool).toEqual({ name: "lookup" });
  });

  it("says what to do where it is used as something else", () => {
    const decorate = tap.observe() as unknown as (...given: unknown[]) => unknown;
    expect(() => decorate({}, "run", { value: () => 1 })).toThrow(/standard decorator/);
    expect(() => decorate(Map, { kind: "class", name: "Map" })).toThrow(TypeError);
  });
});

describe("what is not recorded", () => {
  it("runs all the same", async () => {
    expect(tap.run({ ignore: true }, () => tap.span("x", (span) => span.spanId))).toBe("0".repeat(16));
    await tap.run({ ignore: true }, () => tap.span("x", () => chat()));
    expect(await recorded()).toEqual([]);
    expect(tap.stats().ignored).toEqual({ opt_out: 1 });
    await tap.close();
    expect(tap.observe(() => 5)()).toBe(5);
    expect(tap.stats().spans).toEqual({ recorded: 0, sampledOut: 0, dropped: 0 });
  });

  it("of content goes by the strictest", async () => {
    for (const options of [
      { privacyMode: true },
      { capture: () => "metadata" as const },
      { contentSampleRate: 0 },
      {
        redact: () => {
          throw new Error("no");
        },
      },
    ]) {
      await tap.close();
      start(options);
      await tap.observe(async (_secret: string) => ({ secret: "canary" }), { name: "f" })("canary");
      const failing = (): void => {
        throw new Error("canary");
      };
      expect(() => tap.span("g", failing)).toThrow("canary");
      expect(JSON.stringify(await recorded())).not.toContain("canary");
      expect(sink.spans.map(({ name }) => name)).toContain("f");
    }
  });

  it("asks capture with who asked, and no provider", async () => {
    const asked: unknown[] = [];
    start({
      capture: (meta) => {
        asked.push(meta);
        return "full";
      },
    });
    tap.run({ userId: "ann" }, () => tap.span("x", () => "kept"));
    expect((await one()).output).toBe("kept");
    expect(asked).toEqual([{ provider: "app", host: "", context: { userId: "ann" } }]);
  });

  it("is sampled as its trace is", async () => {
    start({ sampleRate: 0.5 });
    for (let index = 0; index < 40; index += 1) {
      await tap.run({ traceId: `trace-${index}` }, () => tap.span("x", () => chat()));
    }
    await tap.flush();
    const traces = (records: readonly { trace: { traceId: string } }[]) => records.map(({ trace }) => trace.traceId);
    expect(new Set(traces(sink.spans))).toEqual(new Set(traces(sink.calls)));
    expect(sink.spans.length).toBeGreaterThan(5);
    expect(sink.spans.length).toBeLessThan(35);
    expect(tap.stats().spans).toEqual({ recorded: sink.spans.length, sampledOut: 40 - sink.spans.length, dropped: 0 });
  });
});

describe("whatever goes wrong with a span", () => {
  it("never reaches the function", async () => {
    start({
      context: () => {
        throw new Error("context");
      },
      onSpan: () => {
        throw new Error("listener");
      },
    });
    const hostile = {
      get trap(): string {
        throw new Error("getter");
      },
      toJSON() {
        throw new Error("toJSON");
      },
    };
    const cyclic: Record<string, unknown> = { list: Array.from({ length: 50_000 }, (_, index) => ({ index })) };
    cyclic["self"] = cyclic;
    expect(tap.observe((value: unknown) => value)(hostile)).toBe(hostile);
    expect(tap.observe((value: unknown) => value)(cyclic)).toBe(cyclic);
    const spans = await recorded();
    expect(spans).toHaveLength(2);
    expect(spans[0]?.capture.notes).toEqual(["context_invalid"]);
    expect(spans[0]?.input).toBe("[unreadable]");
    expect(JSON.stringify(spans[1]?.input).length).toBeLessThan(300_000);
    expect(tap.stats().errors).toMatchObject({ context: 2, on_span: 2 });
  });

  it("is copied when it is seen: what the app changes later is not recorded", async () => {
    const list = [1];
    tap.observe((given: number[]) => given)(list);
    list.push(2);
    expect(await one()).toMatchObject({ input: [1], output: [1] });
  });

  it("is told to listeners, and unsubscribed from", async () => {
    const names: string[] = [];
    const off = tap.on("span", (span) => names.push(span.name));
    tap.span("a", () => 1);
    await tap.flush();
    off();
    tap.span("b", () => 1);
    await tap.flush();
    expect(names).toEqual(["a"]);
  });
});

describe("the flow of a context", () => {
  it("goes through await, timers, microtasks, streams and event emitters", async () => {
    const emitter = new EventEmitter();
    const done: Promise<void>[] = [];
    const ways: Record<string, (then: () => void) => void> = {
      await: (then) => void delay(1).then(then),
      timer: (then) => void setTimeout(then, 1),
      immediate: (then) => void setImmediate(then),
      microtask: queueMicrotask,
      tick: (then) => process.nextTick(then),
      emitter: (then) => {
        emitter.once("go", then);
        emitter.emit("go");
      },
      stream: (then) => {
        const stream = new ReadableStream({ pull: (controller) => controller.close() });
        void stream.getReader().read().then(then);
      },
    };
    for (const [way, go] of Object.entries(ways)) {
      tap.run({ userId: way }, () => {
        done.push(
          new Promise((resolve, reject) => {
            go(() => {
              chat().then(resolve, reject);
            });
          }),
        );
      });
    }
    await Promise.all(done);
    await tap.flush();
    expect(new Set(sink.calls.map(({ context }) => context.userId))).toEqual(new Set(Object.keys(ways)));
    expect(sink.calls).toHaveLength(Object.keys(ways).length);
  });
});
