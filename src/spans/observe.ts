/**
 * A span around a function of the app: `tap.observe(fn)`, `@tap.observe()` and `tap.span(name, fn)` are three ways to
 * write it. Nothing of it reaches the function: its `this`, its arguments, what it gives and what it throws are its own.
 */
import type { MergedContext } from "../context.ts";
import type { SpanKind } from "../types.ts";
import { followResult } from "./follow-result.ts";
import type { OpenSpan, SpanLog } from "./span-log.ts";

export interface ObserveOptions {
  /** Default: the name of the function. */
  name?: string;
  /** Default `chain`. */
  kind?: SpanKind;
}

/** The span that is open, for the function that runs in it. */
export interface SpanHandle {
  readonly traceId: string;
  readonly spanId: string;
  /** What is recorded as output; without it, what the function gives. */
  setOutput(output: unknown): void;
  /** Joins the properties of the context. 8 KB at most. */
  setProperties(properties: Record<string, unknown>): void;
}

// oxlint-disable-next-line typescript/no-explicit-any -- any function; `unknown` takes none with parameters of its own
type AnyFunction = (...given: any[]) => unknown;

/** The standard decorator (TC39), on a method, a getter, or a field that holds a function; static ones too. */
export interface ObserveDecorator {
  <Getter extends AnyFunction>(getter: Getter, context: ClassGetterDecoratorContext): Getter;
  <Method extends AnyFunction>(method: Method, context: ClassMethodDecoratorContext): Method;
  (field: undefined, context: ClassFieldDecoratorContext): <Field extends AnyFunction>(initial: Field) => Field;
}

export interface Observe {
  /**
   * @returns the function, of the same type; each call of it is a span
   * @example
   * const answer = tap.observe(async (question: string) => run(question), { name: "answer", kind: "agent" });
   */
  <Observed extends AnyFunction>(observed: Observed, options?: ObserveOptions): Observed;
  (options?: ObserveOptions): ObserveDecorator;
}

export interface RunSpan {
  /** @returns what `run` gives */
  <Result>(name: string, run: (span: SpanHandle) => Result, options?: Pick<ObserveOptions, "kind">): Result;
}

export interface Observing {
  observe: Observe;
  span: RunSpan;
}

const KINDS: ReadonlySet<unknown> = new Set<SpanKind>(["agent", "chain", "tool", "workflow"]);
const NO_SPAN: SpanHandle = {
  traceId: "0".repeat(32),
  spanId: "0".repeat(16),
  setOutput() {},
  setProperties() {},
};

export interface ObservingOptions {
  log: SpanLog;
  /** Of `tap.with`. */
  bound: MergedContext | undefined;
  isClosed(): boolean;
  /** Something of ours failed. */
  report(error: unknown): void;
}

export function createObserving({ log, bound, isClosed, report }: ObservingOptions): Observing {
  function open(name: string, kind: SpanKind, input: unknown): OpenSpan | undefined {
    try {
      return isClosed() ? undefined : log.open({ name, kind, input, bound });
    } catch (error) {
      report(error);
      return undefined;
    }
  }

  /** Whatever goes wrong with a span, the function goes on. */
  function guard(span: OpenSpan): OpenSpan {
    const quietly =
      <Given extends unknown[]>(method: (...given: Given) => void) =>
      (...given: Given): void => {
        try {
          method(...given);
        } catch (error) {
          report(error);
        }
      };
    return {
      ...span,
      setOutput: quietly(span.setOutput),
      setProperties: quietly(span.setProperties),
      succeed: quietly(span.succeed),
      fail: quietly(span.fail),
    };
  }

  function runIn<Result>(opened: OpenSpan | undefined, step: (span: OpenSpan | undefined) => Result): Result {
    if (opened === undefined) return step(undefined);
    const span = guard(opened);
    let result: Result;
    try {
      result = span.run(() => step(span));
    } catch (error) {
      span.fail(error);
      throw error;
    }
    return followResult(result, span);
  }

  function wrap<Observed extends AnyFunction>(observed: Observed, options: ObserveOptions, place?: string): Observed {
    const { kind = "chain" } = options;
    const name = options.name ?? (place || observed.name || "anonymous");
    // A proxy keeps the function's name, its properties and whatever else it is.
    return new Proxy(observed, {
      apply(target, self: unknown, given: unknown[]) {
        const span = open(name, kind, given.length > 1 ? given : given[0]);
        return runIn(span, () => Reflect.apply(target, self, given));
      },
    });
  }

  function decorate(options: ObserveOptions): AnyFunction {
    return function observed(value: AnyFunction | undefined, context: DecoratorContext): unknown {
      const kind = (context as DecoratorContext | undefined)?.kind;
      const name = String(context.name).replace(/^Symbol\((.*)\)$/, "$1");
      if ((kind === "method" || kind === "getter") && typeof value === "function") return wrap(value, options, name);
      if (kind === "field") {
        return (initial: unknown) =>
          typeof initial === "function" ? wrap(initial as AnyFunction, options, name) : initial;
      }
      throw new TypeError(
        "@tap.observe() is a standard decorator for methods, getters and fields that hold a function. " +
          "With TypeScript's `experimentalDecorators`, write `run = tap.observe(async () => …)` instead.",
      );
    };
  }

  const observe = (first?: AnyFunction | ObserveOptions, second?: ObserveOptions): unknown => {
    if (typeof first === "function") return wrap(first, checkOptions(second));
    return decorate(checkOptions(first));
  };

  return {
    observe: observe as Observe,
    span(name, run, options) {
      if (typeof name !== "string" || typeof run !== "function") {
        throw new TypeError('tap.span takes a name and a function: tap.span("answer", async (span) => …).');
      }
      const { kind = "chain" } = checkOptions(options);
      return runIn(open(name, kind, undefined), (span) => run(span ?? NO_SPAN));
    },
  };
}

function checkOptions(options: ObserveOptions | undefined): ObserveOptions {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null) {
    throw new TypeError('tap.observe takes a function, and options like { name: "answer", kind: "agent" }.');
  }
  const { name, kind } = options;
  if (kind !== undefined && !KINDS.has(kind)) {
    throw new TypeError(`A span's kind is one of ${[...KINDS].join(", ")}, got ${JSON.stringify(kind)}.`);
  }
  if (name !== undefined && typeof name !== "string") throw new TypeError("A span's name is a text.");
  return options;
}
