/** Where the members of a JSON object stand in its text: for changes that leave every other character as it is. */

export interface Members {
  /** Of the wanted fields, where their values are. */
  members: Map<string, { from: number; to: number }>;
  /** Of all fields. */
  count: number;
  /** Behind the last value. */
  lastEnd: number;
  /** Behind the closing brace. */
  end: number;
}

/**
 * Reads the members of the object at `at`, in one pass and without recursion.
 * @returns `undefined` for what is no JSON object, and when a wanted field stands there twice
 */
export function readMembers(text: string, at: number, wanted: ReadonlySet<string>): Members | undefined {
  const found: Members = { members: new Map(), count: 0, lastEnd: 0, end: 0 };
  let next = skipSpace(text, at);
  if (text[next] !== "{") return undefined;
  next = skipSpace(text, next + 1);
  while (text[next] !== "}" || found.count > 0) {
    const keyEnd = text[next] === '"' ? skipString(text, next) : -1;
    const colon = keyEnd === -1 ? -1 : skipSpace(text, keyEnd);
    if (text[colon] !== ":") return undefined;
    const from = skipSpace(text, colon + 1);
    const to = skipValue(text, from);
    if (to === -1) return undefined;
    const key = readKey(text.slice(next, keyEnd));
    if (wanted.has(key)) {
      if (found.members.has(key)) return undefined;
      found.members.set(key, { from, to });
    }
    found.count += 1;
    found.lastEnd = to;
    next = skipSpace(text, to);
    if (text[next] === "}") break;
    if (text[next] !== ",") return undefined;
    next = skipSpace(text, next + 1);
  }
  found.end = next + 1;
  return found;
}

function readKey(quoted: string): string {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    return "";
  }
}

/** Index of the first character at or behind `at` that is no white space. */
export function skipSpace(text: string, at: number): number {
  let next = at;
  for (; next < text.length; next += 1) {
    const code = text.charCodeAt(next);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break;
  }
  return next;
}

/** Index behind the value that begins at `at`; -1 when it has no end. */
function skipValue(text: string, at: number): number {
  const first = text[at];
  if (first === '"') return skipString(text, at);
  if (first === "{" || first === "[") return skipBrackets(text, at);
  let next = at;
  while (next < text.length && /[\w.+-]/.test(text[next] ?? "")) next += 1;
  return next === at ? -1 : next;
}

function skipBrackets(text: string, at: number): number {
  let depth = 0;
  for (let next = at; next < text.length; next += 1) {
    const code = text.charCodeAt(next);
    if (code === 34) {
      next = skipString(text, next) - 1;
      if (next < 0) return -1;
    } else if (code === 123 || code === 91) depth += 1;
    else if (code === 125 || code === 93) {
      depth -= 1;
      if (depth === 0) return next + 1;
    }
  }
  return -1;
}

/** Index behind the closing quote of the string that begins at `at`; -1 when it has none. */
function skipString(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === 92) slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
  return -1;
}
