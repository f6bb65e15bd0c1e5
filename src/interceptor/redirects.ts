/**
 * Redirects, as a dispatcher sees them: each hop is a dispatch of its own, and nothing says that two belong together but
 * the second one's URL, right after the first one's head.
 */
import { setTimer } from "#platform";
import { scrubUrl } from "../providers/secrets.ts";
import type { Exchange } from "../types.ts";

export interface Redirects {
  /** A response that asks for another request. */
  note(exchange: Exchange, location: string): void;
  /** A call has begun: if a redirect has asked for it, that one was no call of its own. */
  follow(exchange: Exchange): void;
}

/** Whoever follows a redirect does so at once, or when its body has ended. */
const FOLLOWED_WITHIN_MS = 1_000;
/** Redirects that nobody follows must not pile up. */
const MAX_HOPS = 100;

export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

export function createRedirects(): Redirects {
  let hops: { exchange: Exchange; target: string }[] = [];

  function remove(exchange: Exchange): void {
    hops = hops.filter((hop) => hop.exchange !== exchange);
  }

  return {
    note(exchange, location) {
      if (hops.length >= MAX_HOPS || !URL.canParse(location, exchange.url)) return;
      const { origin, pathname, search } = new URL(location, exchange.url);
      hops.push({ exchange, target: scrubUrl(origin + pathname + search) });
      setTimer(() => remove(exchange), FOLLOWED_WITHIN_MS);
    },
    follow(exchange) {
      if (hops.length === 0) return;
      const hop = hops.find(({ target }) => target === exchange.url);
      if (hop === undefined) return;
      hop.exchange.isHop = true;
      remove(hop.exchange);
    },
  };
}
