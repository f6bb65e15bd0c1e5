import { measureJson } from "./content-budget.ts";

/** Far beyond any answer; what matters is that nesting has an end. */
const MAX_LENGTH = 16_000_000;

/** A value as JSON text; `undefined` for what nests too deep to be written. */
export function writeJson(value: unknown): string | undefined {
  return measureJson(value, MAX_LENGTH) === undefined ? undefined : JSON.stringify(value);
}
