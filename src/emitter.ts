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
}

/** @param onFailure Told what a listener threw. */
export function createEmitter(onFailure: (name: keyof TapEvents, error: unknown) => void): Emitter {
  const listeners: { [Name in keyof TapEvents]: Set<TapEvents[Name]> } = {
    call: new Set(),
    span: new Set(),
    error: new Set(),
  };
  return {
    on(name, listener) {
      if (!Object.hasOwn(listeners, name)) {
        throw new TypeError(`tap.on knows "call", "span" and "error", got ${JSON.stringify(name)}.`);
      }
      if (typeof listener !== "function") throw new TypeError(`tap.on("${name}") takes a function.`);
      listeners[name].add(listener);
      return () => {
        listeners[name].delete(listener);
      };
    },
    emit(name, value) {
      for (const listener of listeners[name]) {
        try {
          (listener as (value: Parameters<TapEvents[typeof name]>[0]) => void)(value);
        } catch (error) {
          onFailure(name, error);
        }
      }
    },
  };
}
