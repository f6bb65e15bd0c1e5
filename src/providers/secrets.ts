/** Credentials in URLs and bodies: found by the name they stand under, and masked. */

/** What stands where a credential stood. */
export const MASK = "REDACTED";

/** Names of query parameters that are credentials: `key`, `access_token`, SAS (`sig`, …), AWS presigning, and the like. */
const SECRET_PARAMETER =
  /key|token|secret|passw|credential|signature|authorization|^(?:sig|auth|code|jwt|sas|pwd|assertion)$|^x-(?:amz|goog)-(?:credential|signature|security-token)$/i;
/** Counts and cursors whose names look like credentials. */
const HARMLESS_PARAMETER = /^(?:max_?(?:output_?|completion_?)?tokens|page_?token|next_?page_?token|keywords?)$/i;

/**
 * The same URL without userinfo and with credentials in its query masked. Works on absolute URLs and on paths; never
 * throws. Costs two scans when there is no query.
 */
export function scrubUrl(url: string): string {
  return maskQuery(dropUserinfo(url));
}

function dropUserinfo(url: string): string {
  const scheme = url.indexOf("://");
  if (scheme === -1) return url;
  const start = scheme + 3;
  const at = url.indexOf("@", start);
  if (at === -1) return url;
  const end = url.slice(start).search(/[/?#\\]/);
  const authority = end === -1 ? url.slice(start) : url.slice(start, start + end);
  const last = authority.lastIndexOf("@");
  return last === -1 ? url : url.slice(0, start) + url.slice(start + last + 1);
}

function maskQuery(url: string): string {
  const query = url.indexOf("?");
  if (query === -1) return url;
  const hash = url.indexOf("#", query);
  const end = hash === -1 ? url.length : hash;
  let changed = false;
  const pairs = url.slice(query + 1, end).split(/([&;])/);
  for (let at = 0; at < pairs.length; at += 2) {
    const pair = pairs[at] ?? "";
    const equals = pair.indexOf("=");
    if (equals === -1 || equals === pair.length - 1) continue;
    if (!isSecretParameter(decode(pair.slice(0, equals)))) continue;
    pairs[at] = `${pair.slice(0, equals + 1)}${MASK}`;
    changed = true;
  }
  return changed ? url.slice(0, query + 1) + pairs.join("") + url.slice(end) : url;
}

/** Whether a query parameter holds a credential, by its name. */
export function isSecretParameter(name: string): boolean {
  return SECRET_PARAMETER.test(name) && !HARMLESS_PARAMETER.test(name);
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/**
 * Keys of request and response bodies whose values are credentials whatever they hold: MCP `authorization` and
 * `headers`, Anthropic `mcp_servers[].authorization_token`, OpenAI `domain_secrets`, `client_secret`, and their like.
 */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  "authorization",
  "authorization_token",
  "authorizationtoken",
  "proxy_authorization",
  "headers",
  "domain_secrets",
  "domainsecrets",
  "client_secret",
  "clientsecret",
  "api_key",
  "apikey",
  "x_api_key",
  "api_token",
  "auth_token",
  "access_token",
  "accesstoken",
  "refresh_token",
  "id_token",
  "bearer_token",
  "secret_access_key",
  "session_token",
  "password",
  "virtual_key",
]);
/** Nesting beyond this is masked as a whole: nobody's configuration is that deep. */
const MAX_DEPTH = 64;

/**
 * A copy of a JSON value with the values of credential keys masked; the very same value when there is nothing to mask.
 *
 * For configuration (tools, MCP servers, containers), not for what a model wrote or was told: a JSON schema whose
 * property is called `password` has an object there and only its plain values are masked.
 */
export function maskSecrets(value: unknown): unknown {
  return maskValue(value, 0);
}

function maskValue(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth >= MAX_DEPTH) return MASK;
  if (Array.isArray(value)) return maskList(value, depth);
  let copy: Record<string, unknown> | undefined;
  for (const [key, before] of Object.entries(value)) {
    const after = isSecretKey(key) ? maskAll(before, depth + 1) : maskValue(before, depth + 1);
    if (after === before) continue;
    copy ??= { ...(value as Record<string, unknown>) };
    // A key called `__proto__` must stay a key.
    Object.defineProperty(copy, key, { value: after, configurable: true, enumerable: true, writable: true });
  }
  return copy ?? value;
}

function maskList(list: readonly unknown[], depth: number): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (const [index, before] of list.entries()) {
    const after = maskValue(before, depth + 1);
    if (after === before) continue;
    copy ??= [...list];
    copy[index] = after;
  }
  return copy ?? list;
}

/** Masks every scalar below a credential key; the shape stays, and so does a JSON schema that describes such a key. */
function maskAll(value: unknown, depth: number): unknown {
  if (value === null || value === undefined || typeof value === "boolean") return value;
  if (typeof value !== "object") return MASK;
  if (depth >= MAX_DEPTH) return MASK;
  if (Array.isArray(value)) return value.map((entry) => maskAll(entry, depth + 1));
  if (isSchema(value as Record<string, unknown>)) return maskValue(value, depth);
  const masked: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) {
    Object.defineProperty(masked, key, {
      value: maskAll(entry, depth + 1),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  return masked;
}

/** `{ "password": { "type": "string" } }` in a tool's parameters says what a password is, not which. */
function isSchema(value: Record<string, unknown>): boolean {
  return (
    /^(?:string|object|array|number|integer|boolean|null)$/.test(String(value["type"])) &&
    Object.keys(value).every((key) => SCHEMA_KEYS.has(key))
  );
}

const SCHEMA_KEYS: ReadonlySet<string> = new Set([
  "type",
  "description",
  "title",
  "properties",
  "additionalProperties",
  "required",
  "items",
  "enum",
  "format",
  "nullable",
  "minLength",
  "maxLength",
  "pattern",
  "minProperties",
  "maxProperties",
]);

function isSecretKey(key: string): boolean {
  if (key.length > 32) return false;
  return SECRET_KEYS.has(key.toLowerCase().replaceAll("-", "_"));
}
