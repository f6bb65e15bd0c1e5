/** How a sink makes its requests. */
import type { Sink, SinkHost } from "../../types.ts";

export interface SinkFetch {
  fetch: SinkHost["fetch"];
  /** What a sink whose only requests go through `fetch` adds to its members. */
  members: Pick<Sink, "start" | "followed">;
}

/** @param given - of the app's; nobody knows what it does. Default: the tap's own, and without a tap the global one */
export function createSinkFetch(given: typeof fetch | undefined): SinkFetch {
  if (given !== undefined) return { fetch: given, members: {} };
  let host: SinkHost | undefined;
  return {
    fetch: (url, init) => (host ?? globalThis).fetch(url, init),
    members: {
      followed: false,
      start(tap) {
        host = tap;
      },
    },
  };
}
