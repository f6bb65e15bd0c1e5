/** llm-tap: sees every LLM call that a process makes over HTTP, and turns each into an event. */
export { TapError, type TapErrorCode } from "./errors.ts";
export { outputText, reasoningText, toolCalls } from "./read-call.ts";
export type { Observe, ObserveDecorator, ObserveOptions, RunSpan, SpanHandle } from "./spans/observe.ts";
export { createTap, type Restore, type Tap } from "./tap.ts";
export type * from "./public-types.ts";
