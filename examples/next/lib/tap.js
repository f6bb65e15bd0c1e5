/** One tap for the server. Next loads modules more than once in development: the global keeps it one. */
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";

/** Yours would be `amplitudeSink({ apiKey: process.env.AMPLITUDE_API_KEY })`. */
export const memory = (globalThis.llmTapMemory ??= memorySink());
export const tap = (globalThis.llmTap ??= createTap({
  hosts: globalThis.llmTapHosts ?? {},
  sinks: [memory],
}));

/**
 * A route handler whose calls all carry who asked.
 *
 * @param {(request: Request, context?: unknown) => Promise<Response>} handler
 * @returns {(request: Request, context?: unknown) => Promise<Response>}
 */
export function withUser(handler) {
  return (request, context) => {
    // From your session or token (`await auth()`); never from a header that a caller can set.
    const userId = request.headers.get("x-user") ?? undefined;
    const sessionId = request.headers.get("x-session") ?? undefined;
    return tap.run({ userId, sessionId }, () => handler(request, context));
  };
}
