/** `tap.on`: listeners that cannot harm each other. */
import type { LlmCall, Span } from "./types.ts";

export interface TapEvents {
  call: (call: LlmCall) => void;
  span: (span: Span) => void;
  error: (error: Error) => void;
}

export interface Emitter {
  on<Name extends keyof TapEvents>(name: Name, listener: TapEvents[Name]): () => void;
  emit<Name extends keyof TapEvents>(name: Name, value: Parameters<TapEvents[Name]>[0]): void;
  /** A listener goes on after it has returned. */
  hasAsync: boolean;
}

/** @param onFailure Told what a listener threw. */
export function createEmitter(onFailure: (name: keyof TapEvents, error: unknown) => void): Emitter {
  const listeners: { [Name in keyof TapEvents]: Set<TapEvents[Name]> } = {
    call: new Set(),
    span: new Set(),
    error: new Set(),
  };
  const emitter: Emitter = {
    hasAsync: false,
    on(name, listener) {
      if (!Object.hasOwn(listeners, name)) {
        throw new TypeError(`tap.on knows "call", "span" and "error", got ${JSON.stringify(name)}.`);
      }
      if (typeof listener !== "function") throw new TypeError(`tap.on("${name}") takes a function.`);
      listeners[name].add(listener);
      if (listener.constructor.name === "AsyncFunction") emitter.hasAsync = true;
      return () => {
        listeners[name].delete(listener);
      };
    },
    emit(name, value) {
      for (const listener of listeners[name]) {
        try {
          const result: unknown = (listener as (value: Parameters<TapEvents[typeof name]>[0]) => unknown)(value);
          if (isThenable(result)) {
            emitter.hasAsync = true;
            result.then(undefined, (error: unknown) => onFailure(name, error));
          }
        } catch (error) {
          onFailure(name, error);
        }
      }
    },
  };
  return emitter;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === "function";
}
