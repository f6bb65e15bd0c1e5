/** What comes again and again is found out once: names, hosts, media types. They come from the wire, so there is an end. */

/**
 * Puts what was found out where it will be looked for. A cache that is full begins anew.
 *
 * @returns the value
 */
export function remember<Key, Value>(cache: Map<Key, Value>, limit: number, key: Key, value: Value): Value {
  if (cache.size >= limit) cache.clear();
  cache.set(key, value);
  return value;
}
