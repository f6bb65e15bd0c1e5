/**
 * JSON from the wire, never nested deeper than what comes after can walk: parsers, the privacy gate and sinks recurse,
 * and 100,000 brackets would overflow their stack.
 */

/** Levels of objects and arrays that are kept. JSON schemas of large tools have about 30. */
export const MAX_JSON_DEPTH = 200;
/** Stands where something deeper was. */
export const TOO_DEEP = "[too deep]";

/**
 * Parses JSON and cuts off what is nested too deep.
 * @param onTooDeep Called when something was cut off.
 * @throws SyntaxError
 */
export function parseBoundedJson(text: string, onTooDeep?: () => void): unknown {
  const value: unknown = JSON.parse(text);
  if (mayBeDeep(text) && limitDepth(value)) onTooDeep?.();
  return value;
}

/** @throws SyntaxError; RangeError - nested too deep */
export function parseShallowJson(text: string): unknown {
  return parseBoundedJson(text, () => {
    throw new RangeError(`nested deeper than ${MAX_JSON_DEPTH} levels`);
  });
}

/** Each level opens a bracket, also where most of them stand in texts: few are found by the runtime's own search. */
function mayBeDeep(text: string): boolean {
  if (text.length <= 2 * MAX_JSON_DEPTH) return false;
  return countUpTo(text, "{", MAX_JSON_DEPTH) + countUpTo(text, "[", MAX_JSON_DEPTH) >= MAX_JSON_DEPTH;
}

function countUpTo(text: string, searched: string, limit: number): number {
  let count = 0;
  for (let at = text.indexOf(searched); at !== -1 && count < limit; at = text.indexOf(searched, at + 1)) count += 1;
  return count;
}

/**
 * Replaces everything below 200 levels, in place. Level by level, without recursion.
 * @returns whether there was anything
 */
function limitDepth(value: unknown): boolean {
  let level: object[] = isContainer(value) ? [value] : [];
  for (let depth = 1; depth < MAX_JSON_DEPTH && level.length > 0; depth += 1) {
    const next: object[] = [];
    for (const container of level) collectContainers(container, next);
    level = next;
  }
  let isCut = false;
  for (const container of level) isCut = replaceContainers(container as Record<string, unknown>) || isCut;
  return isCut;
}

function collectContainers(container: object, found: object[]): void {
  if (Array.isArray(container)) {
    for (const item of container as unknown[]) if (isContainer(item)) found.push(item);
    return;
  }
  // No list of keys: this looks at everything that is parsed, and JSON has no inherited fields.
  for (const key in container) {
    const item = (container as Record<string, unknown>)[key];
    if (isContainer(item)) found.push(item);
  }
}

function replaceContainers(container: Record<string, unknown>): boolean {
  let isCut = false;
  for (const key of Object.keys(container)) {
    if (!isContainer(container[key])) continue;
    container[key] = TOO_DEEP;
    isCut = true;
  }
  return isCut;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
