/** Requests that keep their settings in an object beside the content. */
import { asObject, omitKeys } from "./json.ts";
import type { JsonObject } from "./json.ts";

const nothing: ReadonlySet<string> = new Set();

/**
 * The parameters of a request: its fields without content, and the settings in `container` as parameters of their own.
 *
 * @param contentKeys - fields that are no parameters
 * @param container - name of the field that holds settings: `options`, `parameters`, `completion_args`
 */
export function readSettings(fields: JsonObject, contentKeys: ReadonlySet<string>, container: string): JsonObject {
  const beside = omitKeys(fields, new Set([...contentKeys, container]));
  return { ...beside, ...omitKeys(asObject(fields[container]) ?? {}, nothing) };
}
