/**
 * Header fields in every form in which `fetch` and undici take them: an object, a flat array, pairs, `Headers`. Reads
 * what may be read, and takes the `x-llm-tap-*` fields off without changing the app's objects.
 */
import { type HeaderOverrides, parseProperties } from "../context.ts";
import { isRequestHeaderKept, isResponseHeaderKept } from "../providers/headers.ts";
import { remember } from "../remember.ts";

const PREFIX = "x-llm-tap-";
const FIELDS = ["user-id", "device-id", "session-id", "trace-id", "privacy-mode", "properties", "ignore"] as const;
const NAMES: readonly string[] = FIELDS.map((field) => PREFIX + field);
/** Characters of an override that are read. */
const MAX_VALUE = 8 * 1024;

type Pair = readonly [name: string, value: unknown];

interface HeadersLike {
  has(name: string): boolean;
  get(name: string): string | null;
}

function isHeadersLike(headers: object): headers is HeadersLike & Iterable<Pair> {
  return (
    typeof (headers as Partial<HeadersLike>).has === "function" &&
    typeof (headers as Partial<HeadersLike>).get === "function"
  );
}

/** `x-l`, in upper or lower case: SDKs have many names that begin with `x-`. */
function isOverrideName(name: unknown): boolean {
  if (typeof name !== "string" || name.length < PREFIX.length) return false;
  if ((name.charCodeAt(2) | 0x20) !== 0x6c || (name.charCodeAt(0) | 0x20) !== 0x78) return false;
  return name.slice(0, PREFIX.length).toLowerCase() === PREFIX;
}

/** Whether any field is ours. On the path of every request, so without an allocation for the usual forms. */
export function hasOverrides(headers: unknown): boolean {
  if (typeof headers !== "object" || headers === null) return false;
  if (Array.isArray(headers)) {
    for (const item of headers as readonly unknown[]) {
      if (isOverrideName(Array.isArray(item) ? item[0] : item)) return true;
    }
    return false;
  }
  if (isHeadersLike(headers) && !(headers instanceof Map)) {
    for (const name of NAMES) if (headers.has(name)) return true;
    return false;
  }
  if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<unknown>) if (Array.isArray(pair) && isOverrideName(pair[0])) return true;
    return false;
  }
  for (const name in headers) if (isOverrideName(name)) return true;
  return false;
}

/**
 * Headers that can be read more than once: an iterator that the app gives (a generator) is used up by reading it.
 * @returns the same headers where they already can
 */
export function toRereadable(headers: unknown): unknown {
  if (!isIterator(headers)) return headers;
  const pairs: unknown[] = [];
  let failure: { error: unknown } | undefined;
  try {
    // Copies: it may yield the same array each time.
    for (const pair of headers) pairs.push(Array.isArray(pair) ? [...(pair as unknown[])] : pair);
  } catch (error) {
    failure = { error };
  }
  return {
    *[Symbol.iterator](): Generator {
      yield* pairs;
      if (failure !== undefined) throw failure.error;
    },
  };
}

function isIterator(headers: unknown): headers is IterableIterator<unknown> {
  return (
    typeof headers === "object" &&
    headers !== null &&
    typeof (headers as Partial<Iterator<unknown>>).next === "function" &&
    typeof (headers as Partial<Iterable<unknown>>)[Symbol.iterator] === "function"
  );
}

/** All fields as pairs; values as they are. */
export function* listHeaders(headers: unknown): Generator<Pair> {
  if (typeof headers !== "object" || headers === null) return;
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    for (let index = 0; index + 1 < headers.length; index += 2) yield [toText(headers[index]), headers[index + 1]];
  } else if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<unknown>) {
      if (Array.isArray(pair)) yield [toText(pair[0]), pair[1]];
    }
  } else {
    for (const name of Object.keys(headers)) yield [name, (headers as Record<string, unknown>)[name]];
  }
}

/** Undici hands raw header bytes as buffers of latin1. */
function toText(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) {
    // Node's buffers do it ten times as fast.
    const { latin1Slice } = value as Latin1Bytes;
    return latin1Slice === undefined ? decodeLatin1(value) : latin1Slice.call(value, 0, value.length);
  }
  if (Array.isArray(value)) return value.map(toText).join(", ");
  // undici's own entries: `{ name, value }`.
  if (typeof value === "object" && value !== null) return toText((value as { value?: unknown }).value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

interface Latin1Bytes extends Uint8Array {
  latin1Slice?: (start: number, end: number) => string;
}

function decodeLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** The same headers, in the form in which they came, without the fields that are ours. */
export function withoutOverrides(headers: unknown): unknown {
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0])) return headers.filter((pair: unknown) => !isOverrideName((pair as unknown[])[0]));
    return headers.filter((_, index) => !isOverrideName(headers[index - (index % 2)]));
  }
  const source = headers as object;
  if (typeof Headers !== "undefined" && source instanceof Headers) {
    const copy = new Headers(source);
    for (const name of NAMES) copy.delete(name);
    return copy;
  }
  if (Symbol.iterator in source) {
    // No array: to undici's dispatchers an array is flat.
    return new Set([...(source as Iterable<unknown[]>)].filter((pair) => !isOverrideName(pair[0])));
  }
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(source)) {
    if (!isOverrideName(name)) copy[name] = (source as Record<string, unknown>)[name];
  }
  return copy;
}

/**
 * The same headers, in the form in which they came, with other values for some fields.
 * @param changes By lower-case name.
 */
export function withHeaders(headers: unknown, changes: Readonly<Record<string, string>>): unknown {
  const isChanged = (name: unknown): boolean => Object.hasOwn(changes, toText(name).toLowerCase());
  const added = Object.entries(changes);
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0])) return [...headers.filter((pair: unknown[]) => !isChanged(pair[0])), ...added];
    return [...headers.filter((_, index) => !isChanged(headers[index - (index % 2)])), ...added.flat()];
  }
  const source: object = headers ?? {};
  if (typeof Headers !== "undefined" && source instanceof Headers) {
    const copy = new Headers(source);
    for (const [name, value] of added) copy.set(name, value);
    return copy;
  }
  if (Symbol.iterator in source) {
    const pairs = [...(source as Iterable<unknown[]>)].filter((pair) => !isChanged(pair[0]));
    return new Set<unknown>([...pairs, ...added]);
  }
  const copy: Record<string, unknown> = {};
  for (const name of Object.keys(source)) {
    if (!isChanged(name)) copy[name] = (source as Record<string, unknown>)[name];
  }
  return { ...copy, ...changes };
}

/** Whether a SigV4 signature covers a field of ours: taking it off would break the request. */
export function isSignedOver(headers: unknown): boolean {
  for (const [name, value] of listHeaders(headers)) {
    if (name.toLowerCase() !== "authorization") continue;
    const text = toText(value);
    return text.startsWith("AWS4-") && text.toLowerCase().includes(PREFIX);
  }
  return false;
}

/** What our fields say. Values are percent-decoded; what cannot be read is left out. */
export function readOverrides(headers: unknown): HeaderOverrides {
  const overrides: HeaderOverrides = {};
  for (const [name, value] of listHeaders(headers)) {
    if (isOverrideName(name))
      readOverride(overrides, name.slice(PREFIX.length).toLowerCase(), decodeValue(toText(value)));
  }
  return overrides;
}

function readOverride(overrides: HeaderOverrides, field: string, value: string): void {
  if (value === "") return;
  switch (field) {
    case "user-id":
      overrides.userId = value;
      break;
    case "device-id":
      overrides.deviceId = value;
      break;
    case "session-id":
      overrides.sessionId = value;
      break;
    case "trace-id":
      overrides.traceId = value;
      break;
    case "privacy-mode":
      overrides.privacyMode = isOn(value);
      break;
    case "ignore":
      overrides.ignore = isOn(value);
      break;
    case "properties": {
      const properties = parseProperties(value);
      if (properties !== undefined) overrides.properties = properties;
      break;
    }
    default:
  }
}

function isOn(value: string): boolean {
  return !/^(?:0|false|no|off)$/i.test(value);
}

function decodeValue(value: string): string {
  const cut = value.slice(0, MAX_VALUE);
  try {
    return decodeURIComponent(cut);
  } catch {
    return cut;
  }
}

/** Names come again and again: `undefined` for one that was not seen yet, `""` for one that is not kept. */
type Verdicts = Map<string, string>;
const MAX_VERDICTS = 1_000;
const requestVerdicts: Verdicts = new Map();
const responseVerdicts: Verdicts = new Map();

function judgeName(verdicts: Verdicts, name: string, isKept: (lower: string) => boolean): string {
  const lower = name.toLowerCase();
  const verdict = isKept(lower) ? lower : "";
  return remember(verdicts, MAX_VERDICTS, name, verdict);
}

function isResponseHeaderRead(name: string): boolean {
  return isResponseHeaderKept(name) || name === "content-type" || name === "content-encoding";
}

interface Collection {
  verdicts: Verdicts;
  isKept: (lower: string) => boolean;
  /** A field that comes again is added to the first; else the last one counts. */
  joins: boolean;
}

const requestCollection: Collection = { verdicts: requestVerdicts, isKept: isRequestHeaderKept, joins: false };
const responseCollection: Collection = { verdicts: responseVerdicts, isKept: isResponseHeaderRead, joins: true };

/** Several times as fast as `listHeaders`: of most fields no more is read than the name, and that without a call of ours. */
function collect(headers: unknown, collection: Collection): Record<string, string> {
  const kept: Record<string, string> = {};
  if (typeof headers !== "object" || headers === null) return kept;
  const { verdicts } = collection;
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    for (let index = 0; index + 1 < headers.length; index += 2) {
      const given: unknown = headers[index];
      const name = typeof given === "string" ? given : toText(given);
      if (verdicts.get(name) !== "") keepField(kept, name, headers[index + 1], collection);
    }
  } else if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<unknown>) {
      if (Array.isArray(pair)) keepField(kept, toText(pair[0]), pair[1], collection);
    }
  } else {
    for (const name in headers) {
      if (verdicts.get(name) === "" || !Object.hasOwn(headers, name)) continue;
      keepField(kept, name, (headers as Record<string, unknown>)[name], collection);
    }
  }
  return kept;
}

function keepField(
  kept: Record<string, string>,
  name: string,
  value: unknown,
  { verdicts, isKept, joins }: Collection,
): void {
  const lower = verdicts.get(name) ?? judgeName(verdicts, name, isKept);
  if (lower === "") return;
  const text = typeof value === "string" ? value : toText(value);
  const before = joins ? kept[lower] : undefined;
  kept[lower] = before === undefined ? text : `${before}, ${text}`;
}

/** The request headers that may be read, lower-case. */
export function collectRequestHeaders(headers: unknown): Record<string, string> {
  return collect(headers, requestCollection);
}

/** The response headers that may be recorded, lower-case; `content-type` and `content-encoding` among them. */
export function collectResponseHeaders(headers: unknown): Record<string, string> {
  return collect(headers, responseCollection);
}

/** One field by lower-case name. */
export function findHeader(headers: unknown, wanted: string): string | undefined {
  for (const [name, value] of listHeaders(headers)) if (name.toLowerCase() === wanted) return toText(value);
  return undefined;
}
