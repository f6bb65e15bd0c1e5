import { afterEach, describe, expect, it } from "vitest";
import { mergeContext, resolveSettings, type SettingsSources } from "../../src/context.ts";
import type { RunContext } from "../../src/types.ts";

const nothing: SettingsSources = {
  options: {},
  bound: undefined,
  fromOption: undefined,
  flow: undefined,
  overrides: undefined,
  baggage: undefined,
};

function resolve(sources: Partial<SettingsSources>) {
  const { settings, isIgnored, notes } = resolveSettings({ ...nothing, ...sources });
  return { settings, isIgnored, notes: [...notes] };
}

const fromRun = (context: unknown) => resolve({ flow: { context: mergeContext(undefined, context as RunContext) } });

describe("precedence", () => {
  const everywhere = {
    options: { baggageKeys: ["user.id"] },
    fromOption: { userId: "option" },
    bound: { userId: "with" },
    flow: { context: { userId: "run" } },
    overrides: { userId: "header" },
    baggage: "user.id=baggage",
  };

  it("of identity is run, with, context(), header, baggage", () => {
    const { flow: _flow, ...withoutRun } = everywhere;
    const { bound: _bound, ...withoutWith } = withoutRun;
    const { fromOption: _option, ...withoutOption } = withoutWith;
    const { overrides: _overrides, ...withoutHeader } = withoutOption;
    const users = [everywhere, withoutRun, withoutWith, withoutOption, withoutHeader].map(
      (sources) => resolve(sources).settings.context.userId,
    );
    expect(users).toEqual(["run", "with", "option", "header", "baggage"]);
  });

  it("puts a trusted header first", () => {
    const options = { headerOverrides: { identity: "header" as const } };
    expect(resolve({ ...everywhere, options }).settings.context.userId).toBe("header");
  });

  it("reads no header when headers are off", () => {
    const overrides = { userId: "header", traceId: "t", privacyMode: true, ignore: true, properties: { a: 1 } };
    const { settings, isIgnored } = resolve({ options: { headerOverrides: false }, overrides });
    expect(settings).toMatchObject({ context: {}, privacyMode: false });
    expect(settings).not.toHaveProperty("traceId");
    expect(isIgnored).toBe(false);
  });

  it("merges properties, tags and groups, the innermost last", () => {
    const outer = mergeContext(undefined, { properties: { a: 1, b: 1 }, tags: ["x"], groups: { org: "o" } });
    const inner = mergeContext(outer, { properties: { b: 2 }, tags: ["y", "x"], groups: { team: ["t"] } });
    expect(resolve({ flow: { context: inner } }).settings.context).toEqual({
      properties: { a: 1, b: 2 },
      tags: ["x", "y"],
      groups: { org: "o", team: ["t"] },
    });
  });

  it("takes privacy from the strictest, tracking from the one that says no", () => {
    const { settings } = resolve({
      fromOption: { privacyMode: true, tokenTracking: false },
      bound: { privacyMode: false, excludeOutput: true },
      flow: { context: { privacyMode: false, excludeOutput: false, tokenTracking: true } },
    });
    expect(settings).toMatchObject({ privacyMode: true, excludeOutput: true, tokenTracking: false });
  });

  it("takes a parent span only with its trace", () => {
    const outer = mergeContext(undefined, { traceId: "one", parentSpanId: "p" });
    expect(mergeContext(outer, { userId: "u" })).toMatchObject({ traceId: "one", parentSpanId: "p" });
    expect(mergeContext(outer, { traceId: "two" })).toEqual({ traceId: "two" });
    expect(fromRun({ parentSpanId: "p" }).settings).not.toHaveProperty("parentSpanId");
  });

  it("ignores by run, and by header only where that is trusted", () => {
    expect(fromRun({ ignore: true }).isIgnored).toBe(true);
    expect(resolve({ overrides: { ignore: true } }).isIgnored).toBe(false);
    const options = { headerOverrides: { ignore: true } };
    expect(resolve({ options, overrides: { ignore: true } }).isIgnored).toBe(true);
  });
});

describe("what the app gives", () => {
  const cyclic: Record<string, unknown> = { fine: "yes" };
  cyclic["self"] = cyclic;
  const deep: Record<string, unknown> = {};
  for (let level = 0, at = deep; level < 100; level += 1) at = at["x"] = {};
  const hostile = {
    userId: "u",
    get sessionId(): string {
      throw new Error("no");
    },
  };

  it.each<[string, unknown, object, string[]]>([
    ["numbers as ids", { userId: 7, sessionId: 9n }, { userId: "7", sessionId: "9" }, []],
    ["an object as id", { userId: {}, deviceId: "d" }, { deviceId: "d" }, ["context_invalid"]],
    ["a cycle", { userId: "u", properties: cyclic }, { userId: "u", properties: { fine: "yes" } }, ["context_invalid"]],
    ["depth", { properties: { deep, fine: 1 } }, { properties: { fine: 1 } }, ["context_invalid"]],
    ["a getter that throws", hostile, { userId: "u" }, ["context_invalid"]],
    ["a property that throws", { properties: hostile }, { properties: { userId: "u" } }, ["context_invalid"]],
    ["bytes", { properties: { data: new Uint8Array(9e6), fine: 1 } }, { properties: { fine: 1 } }, ["context_invalid"]],
    ["properties that are none", { properties: "text" }, {}, ["context_invalid"]],
    [
      "what JSON has not",
      { properties: { a: undefined, b: () => 1, c: Number.NaN, d: new Date(0), e: 3n } },
      { properties: { c: null, d: "1970-01-01T00:00:00.000Z", e: "3" } },
      [],
    ],
    ["a megabyte of text", { userId: "u".repeat(1e6), env: "e" }, { env: "e" }, ["context_too_large"]],
    [
      "a megabyte of properties",
      { userId: "u", properties: { big: "x".repeat(1e6), list: Array.from({ length: 1e6 }, () => 1), fine: 1 } },
      { userId: "u", properties: { fine: 1 } },
      ["context_too_large"],
    ],
    ["nulls", { userId: null, tags: null, properties: null }, {}, []],
    [
      "a proxy that throws",
      new Proxy(
        {},
        {
          get: () => {
            throw new Error("no");
          },
        },
      ),
      {},
      ["context_invalid"],
    ],
  ])("%s", (_name, context, expected, notes) => {
    const resolved = fromRun(context);
    expect(resolved.settings.context).toEqual(expected);
    expect(resolved.notes).toEqual(notes);
  });

  it("is never more than 8 KB, in bytes", () => {
    const properties = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`key${index}`, "張".repeat(20)]));
    const { settings, notes } = fromRun({ userId: "u", tags: Array.from({ length: 5000 }, () => "tag"), properties });
    expect(Buffer.byteLength(JSON.stringify(settings.context))).toBeLessThan(12 * 1024);
    expect(settings.context.userId).toBe("u");
    expect(notes).toEqual(["context_too_large"]);
  });

  it("reaches no prototype", () => {
    const text =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":{"b":1},"c":2}}';
    const { settings } = fromRun({ properties: JSON.parse(text) as object, ...(JSON.parse(text) as object) });
    const again = mergeContext(
      settings.context,
      JSON.parse(`{"properties":${text},"__proto__":{"userId":"u"}}`) as object,
    );
    expect(settings.context).toEqual({ properties: { a: { c: 2 } } });
    expect(again.userId).toBeUndefined();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it("is a snapshot", () => {
    const properties = { list: [1] };
    const { settings } = fromRun({ properties });
    properties.list.push(2);
    expect(settings.context.properties).toEqual({ list: [1] });
  });
});

describe("baggage", () => {
  it("is read by an allow-list of keys, and only where nothing else says who asked", () => {
    const baggage =
      "user.id=ann%20b;meta=1, secret=s , plan = pro;x , plan=second, broken, __proto__=1, session.id=%zz";
    const options = { baggageKeys: ["user.id", "plan", "session.id", "__proto__", "missing"] };
    expect(resolve({ options, baggage }).settings.context).toEqual({
      userId: "ann b",
      sessionId: "%zz",
      properties: { plan: "pro" },
    });
    const flow = { context: { userId: "bob", properties: { plan: "free" } } };
    expect(resolve({ options, baggage, flow }).settings.context).toMatchObject({
      userId: "bob",
      properties: { plan: "free" },
    });
    expect(resolve({ baggage }).settings.context).toEqual({});
  });
});

describe("OpenTelemetry's active span", () => {
  const api = Symbol.for("opentelemetry.js.api.1");
  const holder = globalThis as { [api]?: unknown };
  afterEach(() => {
    delete holder[api];
  });
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const spanId = "b7ad6b7169203331";

  function activate(span: unknown): void {
    const key = Symbol.for("OpenTelemetry Context Key SPAN");
    holder[api] = { version: "1.10.0", context: { active: () => new Map([[key, span]]) } };
    const { active } = (holder[api] as { context: { active: () => Map<symbol, unknown> } }).context;
    Object.assign((holder[api] as { context: object }).context, {
      active: () => ({ getValue: (wanted: symbol) => active().get(wanted) }),
    });
  }

  it("is noted with its ids", () => {
    activate({ spanContext: () => ({ traceId, spanId, traceFlags: 1 }) });
    expect(resolve({}).settings.activeSpan).toEqual({ traceId, spanId });
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["ids of zeros", { spanContext: () => ({ traceId: "0".repeat(32), spanId: "0".repeat(16) }) }],
    ["ids that are none", { spanContext: () => ({ traceId: "x", spanId: 7 }) }],
    ["no context", { spanContext: () => undefined }],
    [
      "an error",
      {
        spanContext: () => {
          throw new Error("no");
        },
      },
    ],
  ])("is none where it gives %s", (_name, span) => {
    activate(span);
    expect(resolve({}).settings).not.toHaveProperty("activeSpan");
  });

  it("is nearer than the span of ours in which it was opened, not than one opened in it", () => {
    activate({ spanContext: () => ({ traceId, spanId }) });
    const context = { traceId, parentSpanId: "ours" };
    const parent = (openedUnder: string | undefined) =>
      resolve({ flow: { context, span: { spanId: "ours", openedUnder } } }).settings.parentSpanId;
    expect(parent(undefined)).toBe(spanId);
    expect(parent(spanId)).toBe("ours");
    expect(resolve({ flow: { context } }).settings.parentSpanId).toBe("ours");
  });
});
