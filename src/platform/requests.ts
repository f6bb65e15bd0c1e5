/** Requests of every undici in the process, the built-in one and those of npm. */
import { builtIn } from "./built-in.ts";

const CHANNEL = "undici:request:create";

/**
 * @param listener Gets undici's own object for a request, right after it was made; within an app's call, so it is quick.
 * @returns ends it
 * @see https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
 */
export function watchRequests(listener: (request: object) => void): () => void {
  const { subscribe, unsubscribe } = builtIn("node:diagnostics_channel");

  function onRequest(message: unknown): void {
    const { request } = message as { request?: object };
    if (request !== undefined) listener(request);
  }

  subscribe(CHANNEL, onRequest);
  return () => {
    unsubscribe(CHANNEL, onRequest);
  };
}
