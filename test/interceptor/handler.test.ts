/** The stand-in for an app's handler: it has the same methods, and what fails in it stays in it. */
import { describe, expect, it } from "vitest";
import { type Handler, mirrorHandler } from "../../src/interceptor/handler.ts";
import type { Observer } from "../../src/interceptor/observer.ts";
import type { Exchange } from "../../src/types.ts";

/** An observer that throws wherever it is asked to. */
function makeBroken(broken: readonly string[]) {
  const reports: unknown[] = [];
  const ends: string[] = [];
  const exchange = {
    marks: [],
    blocks: [],
    notes: [],
    chunkCount: 0,
    responseBytes: 0,
    pendingBytes: 0,
    isEnded: false,
  };
  const call = (name: string) => {
    if (broken.includes(name)) throw new Error(`${name} is broken`);
  };
  const observer = {
    report: (_place: string, error: unknown) => reports.push(error),
    touch: () => call("touch"),
    end() {
      ends.push("end");
      call("end");
    },
    fail() {
      ends.push("fail");
      call("fail");
    },
  } as unknown as Observer;
  return { attachment: { observer, exchange: exchange as unknown as Exchange }, reports, ends };
}

const older = ["onConnect", "onHeaders", "onData", "onComplete", "onError"];
const newer = ["onRequestStart", "onResponseStart", "onResponseData", "onResponseEnd", "onResponseError"];

function makeHandler(names: readonly string[], calls: string[]): Handler {
  return Object.fromEntries(
    names.map((name) => [
      name,
      function note(this: unknown, ...values: unknown[]) {
        calls.push(name);
        return { self: this, values };
      },
    ]),
  );
}

describe.each([
  ["older", older],
  ["newer", newer],
])("a handler of the %s kind", (_kind, names) => {
  it("has exactly the methods that the app's has, with its `this`, values and results", () => {
    for (const name of names) {
      const calls: string[] = [];
      const inner = makeHandler([name], calls);
      const mirrored = mirrorHandler(inner, makeBroken([]).attachment);
      expect([...older, ...newer].filter((each) => typeof mirrored[each] === "function")).toEqual([name]);
      const values = [{ aborted: false }, 200, {}, "OK"];
      const result = mirrored[name]?.(...values) as { self: unknown; values: unknown[] };
      expect(result.self).toBe(inner);
      expect(result.values).toEqual(values.slice(0, result.values.length));
      expect(calls).toEqual([name]);
    }
  });

  it.each([["touch"], ["end"], ["fail"], ["touch", "end", "fail"]])(
    "goes on when %s fails, and ends the call",
    (...broken) => {
      const calls: string[] = [];
      const { attachment, reports, ends } = makeBroken(broken);
      const mirrored = mirrorHandler(makeHandler(names, calls), attachment);
      const [start = "", head = "", data = "", end = "", failure = ""] = names;
      const chunk = new Uint8Array([1, 2, 3]);
      const isOlder = names === older;
      mirrored[start]?.(isOlder ? () => {} : {});
      mirrored[head]?.(...(isOlder ? [200, []] : [{}, 200, {}]));
      for (let index = 0; index < 3; index += 1) mirrored[data]?.(...(isOlder ? [chunk] : [{}, chunk]));
      mirrored[end]?.(...(isOlder ? [[]] : [{}, {}]));
      mirrored[failure]?.(...(isOlder ? [new Error("x")] : [{}, new Error("x")]));
      expect(calls).toEqual([start, head, data, data, data, end, failure]);
      expect(reports.length).toBe(broken.length);
      expect(ends).toEqual(["end", "fail"]);
    },
  );

  it("lets through what the app's own methods throw", () => {
    for (const name of names) {
      const thrown = new Error("of the app");
      const inner: Handler = {
        [name]() {
          throw thrown;
        },
      };
      const { attachment, reports } = makeBroken([]);
      expect(() => mirrorHandler(inner, attachment)[name]?.({}, 200, {})).toThrow(thrown);
      expect(reports).toEqual([]);
    }
  });
});
