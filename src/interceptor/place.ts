/** What the address of a call tells: which API it is, and what of the address may be recorded. */
import { scrubUrl } from "../providers/secrets.ts";
import type { RouteInfo } from "../types.ts";
import { findHeader } from "./headers.ts";
import { authorityOf, type HostEntry, type Router } from "./route.ts";

/** A request, as far as it tells where it goes. */
export interface Address {
  origin: string;
  method: string;
  /** With query. */
  path: string;
  headers: unknown;
}

export interface Place {
  route: RouteInfo;
  /** Whether it is a call, its body says. */
  isSniffed: boolean;
  /** These without credentials. */
  url: string;
  host: string;
  path: string;
  pollOf: string | undefined;
}

/** Places remembered before the cache starts anew. */
const CACHE_LIMIT = 2000;
/** Longer ones hold what is said once. */
const LONGEST_PATH_KEPT = 200;

/** @returns finds the place that a request is for; `undefined`: it is no call */
export function createPlaceFinder(
  router: Router,
): (interest: HostEntry | "sniff", address: Address) => Place | undefined {
  /** By origin, then by path: what an app calls, it calls again and again. */
  const places = new Map<string, Map<string, Place>>();
  let placesKnown = 0;

  function findPlace(interest: HostEntry | "sniff", address: Address): Place | undefined {
    if (address.method !== "POST") return readPlace(interest, address)?.place;
    const known = places.get(address.origin)?.get(address.path);
    if (known !== undefined) return known;
    const read = readPlace(interest, address);
    if (read?.isLasting === true) keepPlace(address, read.place);
    return read?.place;
  }

  function keepPlace({ origin, path }: Address, place: Place): void {
    // A query may hold a key.
    if (path.length > LONGEST_PATH_KEPT || path.includes("?")) return;
    if (placesKnown >= CACHE_LIMIT) {
      places.clear();
      placesKnown = 0;
    }
    let byPath = places.get(origin);
    if (byPath === undefined) places.set(origin, (byPath = new Map<string, Place>()));
    byPath.set(path, place);
    placesKnown += 1;
  }

  /** `isLasting`: it does not depend on the headers. */
  function readPlace(
    interest: HostEntry | "sniff",
    { method, origin, path, headers }: Address,
  ): { place: Place; isLasting: boolean } | undefined {
    const isSniffed = interest === "sniff";
    let isLasting = true;
    const readHeader = (name: string): string | undefined => {
      isLasting = false;
      return findHeader(headers, name);
    };
    const called = isSniffed ? router.sniff(method, path) : router.route(interest, method, path, readHeader);
    const poll = isSniffed || called !== undefined ? undefined : router.routePoll(interest, method, path);
    const route = called ?? poll?.route;
    if (route === undefined) return undefined;
    const place: Place = {
      route,
      isSniffed: isSniffed || route.bodyDecides === true,
      url: scrubUrl(origin + path),
      host: authorityOf(origin) ?? "",
      path: scrubUrl(path),
      pollOf: poll?.jobId,
    };
    return { place, isLasting };
  }

  return findPlace;
}
