/**
 * URL → provider, API, operation. On the hot path: one Map look-up for a host seen before, and nothing more for a host
 * that is not of interest.
 */
import type { RouteInfo } from "../parsers/parser.ts";
import { findPathRules, type HostMatch, matchHost } from "../providers/match-host.ts";
import { matchPath, type PathMatch, pathnameOf } from "../providers/match-path.ts";
import { DEFAULT_OPERATIONS, RULES_OF_API, UPSTREAMS } from "../providers/paths.ts";
import { findProviderOfUrl } from "../providers/upstream.ts";
import type { Api, HostOverride, TapOptions } from "../types.ts";
import { remember } from "../remember.ts";

/** A host that may carry LLM calls. Opaque to everyone but the router that made it. */
export interface HostEntry {
  /** What the user said, longest path prefix first; `false`: never look here. */
  readonly overrides: readonly { prefix: string; target: HostTarget | false }[];
  /** What the table says, for paths that no override covers. */
  readonly known: HostMatch | undefined;
}

/** An override of the user, resolved. */
export interface HostTarget extends HostMatch {
  api?: Api;
}

export interface Router {
  /**
   * Finds what is known of a host. `null`: the user said never to look here; `undefined`: unknown.
   * @param authority Lower-case `host[:port]` as in the URL; a default port is dropped here.
   */
  lookUp(authority: string): HostEntry | null | undefined;
  /**
   * Reads the path of a known host. `undefined`: no inference (model lists, files, anything but POST, …).
   * @param path With or without query.
   * @param header Reads a request header by lower-case name; only asked where the path does not name the model.
   */
  route(
    entry: HostEntry,
    method: string,
    path: string,
    header?: (name: string) => string | undefined,
  ): RouteInfo | undefined;
  /** Reads the path of a request that asks a known host for the state of a job: `GET /responses/{id}`, … */
  routePoll(entry: HostEntry, method: string, path: string): PollRoute | undefined;
  /** Reads the path of an unknown host; whether it is a call, `hasCallShape` says once the body is known. */
  sniff(method: string, path: string): RouteInfo | undefined;
}

/** A request for the state of a job. */
export interface PollRoute {
  route: RouteInfo;
  jobId: string;
}

/** Hosts remembered before the cache starts anew: a crawler must not make it grow without end. */
const CACHE_LIMIT = 2000;

/**
 * Makes a router from the `hosts` option.
 * @throws TypeError for a key or value that is no host, says what was expected.
 */
export function createRouter(hosts: TapOptions["hosts"]): Router {
  const overrides = readOverrides(hosts ?? {});
  const cache = new Map<string, HostEntry | null | undefined>();

  function lookUp(authority: string): HostEntry | null | undefined {
    const cached = cache.get(authority);
    if (cached !== undefined || cache.has(authority)) return cached;
    return remember(cache, CACHE_LIMIT, authority, findEntry(authority, overrides));
  }

  return { lookUp, route: routePath, routePoll, sniff: sniffPath };
}

function routePath(
  entry: HostEntry,
  method: string,
  path: string,
  header?: (name: string) => string | undefined,
): RouteInfo | undefined {
  if (!mayCall(method)) return undefined;
  for (const { prefix, target } of entry.overrides) {
    if (!hasPrefix(path, prefix)) continue;
    return target === false ? undefined : routeTarget(target, path.slice(prefix.length), header);
  }
  return entry.known === undefined ? undefined : routeTarget(entry.known, path, header);
}

/** HEAD asks for the head of what a POST would bring. */
function mayCall(method: string): boolean {
  if (method === "POST") return true;
  const upper = method.toUpperCase();
  return upper === "POST" || upper === "HEAD";
}

function routePoll(entry: HostEntry, method: string, path: string): PollRoute | undefined {
  if (method !== "GET") return undefined;
  const match = POLL_PATH.exec(pathnameOf(path));
  const [, base, id] = match ?? [];
  if (base === undefined || id === undefined) return undefined;
  const route = routePath(entry, "POST", base);
  if (route === undefined || !POLLED_APIS.has(route.api)) return undefined;
  try {
    return { route, jobId: decodeURIComponent(id) };
  } catch {
    return undefined;
  }
}

/** What began the job, and its id. */
const POLL_PATH = /^(.*\/(?:responses|predictions|async\/chat\/completions|threads\/[^/]+\/runs))\/([^/]+)$/;
const POLLED_APIS: ReadonlySet<Api> = new Set(["openai-responses", "replicate", "openai-chat", "openai-threads"]);

function routeTarget(
  target: HostTarget,
  path: string,
  header?: (name: string) => string | undefined,
): RouteInfo | undefined {
  const match = matchPath(path === "" ? "/" : path, target.paths) ?? matchNamedApi(target, path);
  if (match === undefined) return undefined;
  const route: RouteInfo = { provider: target.provider, api: match.api, operation: match.operation };
  if (match.pathModel !== undefined) route.pathModel = match.pathModel;
  const upstream = match.upstreamProvider ?? target.upstreamProvider;
  if (upstream !== undefined) route.upstreamProvider = upstream;
  return refine(route, path, header);
}

/** What a host's own conventions add to the table. */
function refine(route: RouteInfo, path: string, header: ((name: string) => string | undefined) | undefined): RouteInfo {
  if (route.api === "vercel-ai") {
    const model = header?.("ai-language-model-id") ?? header?.("ai-model-id") ?? header?.("ai-embedding-model-id");
    if (model !== undefined && model !== "") route.pathModel = model;
    return route;
  }
  // What runs on an endpoint of one's own may be any model: of tables, of prices.
  if (route.api === "vertex-predict" && path.includes("/endpoints/")) route.bodyDecides = true;
  switch (route.provider) {
    case "portkey": {
      const upstream = header?.("x-portkey-provider");
      if (upstream) route.upstreamProvider = nameUpstream(upstream.replace(/^@/, ""));
      break;
    }
    case "helicone": {
      const target = header?.("helicone-target-url");
      const upstream = target ? findProviderOfUrl(target) : undefined;
      if (upstream !== undefined) route.upstreamProvider = upstream;
      break;
    }
    case "azure.ai.openai":
      // One resource of Azure AI serves three families under three prefixes.
      if (path.includes("/anthropic/")) route.provider = "anthropic";
      else if (path.startsWith("/models/")) route.provider = "azure.ai.inference";
      break;
    case "huggingface": {
      // `/api/inference-proxy` came before the router.
      const first = /^\/(?:api\/inference-proxy\/)?([^/]+)\//.exec(path)?.[1] ?? "";
      if (path.includes("/chat/completions") && first !== "v1" && first !== "models" && first !== "") {
        route.upstreamProvider = nameUpstream(first);
      }
      break;
    }
    default:
  }
  return route;
}

/** What the table calls a provider that a gateway names. */
function nameUpstream(name: string): string {
  return (Object.hasOwn(UPSTREAMS, name) ? UPSTREAMS[name]?.provider : undefined) ?? name;
}

/** A host that the user tied to one API has paths of its own: each POST counts that is not plainly something else. */
function matchNamedApi(target: HostTarget, path: string): PathMatch | undefined {
  if (target.api === undefined) return undefined;
  if (
    /\/(?:models|files|batches|fine_tuning|uploads|vector_stores|assistants|threads)(?:\/|$)/.test(pathnameOf(path))
  ) {
    return undefined;
  }
  return { api: target.api, operation: DEFAULT_OPERATIONS[target.api] };
}

function sniffPath(method: string, path: string): RouteInfo | undefined {
  if (method !== "POST" && method.toUpperCase() !== "POST") return undefined;
  const match = matchPath(path, "sniff");
  return match === undefined ? undefined : { provider: "custom", ...match };
}

function findEntry(given: string, overrides: Overrides): HostEntry | null | undefined {
  const authority = given.replace(/:(?:443|80)$/, "");
  const host = authority.replace(/:\d+$/, "");
  const found = overrides.get(authority) ?? overrides.get(host) ?? [];
  const whole = found.find(({ prefix }) => prefix === "");
  if (whole?.target === false && found.length === 1) return null;
  const known = matchHost(authority);
  if (found.length === 0 && known === undefined) return undefined;
  return { overrides: found, known };
}

type Overrides = ReadonlyMap<string, HostEntry["overrides"]>;

function readOverrides(hosts: NonNullable<TapOptions["hosts"]>): Overrides {
  if (typeof hosts !== "object" || hosts === null || Array.isArray(hosts)) {
    throw new TypeError(
      `\`hosts\` must be an object like { "llm.example.com": { provider: "openai" } }, got ${describe(hosts)}.`,
    );
  }
  const read = new Map<string, { prefix: string; target: HostTarget | false }[]>();
  for (const [key, value] of Object.entries(hosts)) {
    const { authority, prefix } = readKey(key);
    const list = read.get(authority) ?? [];
    list.push({ prefix, target: value === false ? false : readTarget(key, value, authority) });
    list.sort((a, b) => b.prefix.length - a.prefix.length);
    read.set(authority, list);
  }
  return read;
}

function readKey(key: string): { authority: string; prefix: string } {
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(key) ? key : `https://${key}`);
  } catch {
    throw new TypeError(
      `\`hosts\` has the key ${describe(key)}, which is neither a host ("llm.example.com", "localhost:4000") nor a base URL ("https://llm.example.com/v1").`,
    );
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new TypeError(`\`hosts\` has the key ${describe(key)}; only http: and https: are tapped.`);
  }
  return { authority: url.host, prefix: url.pathname.replace(/\/+$/, "") };
}

function readTarget(key: string, value: HostOverride, authority: string): HostTarget {
  if (typeof value !== "object" || value === null || typeof value.provider !== "string" || value.provider === "") {
    throw new TypeError(
      `\`hosts[${describe(key)}]\` must be { provider: string, api?: string } or false, got ${describe(value)}. Did you mean { provider: "openai" }?`,
    );
  }
  const { provider, api } = value;
  if (api !== undefined && !Object.hasOwn(DEFAULT_OPERATIONS, api)) {
    throw new TypeError(
      `\`hosts[${describe(key)}].api\` must be one of ${Object.keys(DEFAULT_OPERATIONS).join(", ")}, got ${describe(api)}.`,
    );
  }
  const paths =
    (api === undefined ? undefined : RULES_OF_API[api]) ??
    findPathRules(provider) ??
    matchHost(authority)?.paths ??
    "openai";
  return api === undefined ? { provider, paths } : { provider, paths, api };
}

function hasPrefix(path: string, prefix: string): boolean {
  if (prefix === "") return true;
  if (!path.startsWith(prefix)) return false;
  const next = path.charAt(prefix.length);
  return next === "" || next === "/" || next === "?";
}

function describe(value: unknown): string {
  return typeof value === "string"
    ? JSON.stringify(value)
    : value === null
      ? "null"
      : Array.isArray(value)
        ? "an array"
        : `a value of type ${typeof value}`;
}

/**
 * The authority of an absolute http(s) URL, sliced out without parsing it: lower-case, without userinfo, with its port.
 * `undefined` for everything that is not plainly such a URL.
 */
export function authorityOf(url: string): string | undefined {
  const colon = url.indexOf(":");
  if (colon !== 4 && colon !== 5) return undefined;
  if (url.charCodeAt(colon + 1) !== 47 || url.charCodeAt(colon + 2) !== 47) return undefined;
  const scheme = url.slice(0, colon);
  if (scheme !== "https" && scheme !== "http") {
    const lower = scheme.toLowerCase();
    if (lower !== "https" && lower !== "http") return undefined;
  }
  const start = colon + 3;
  let end = start;
  let from = start;
  for (; end < url.length; end++) {
    const code = url.charCodeAt(end);
    // `/`, `?`, `#`, `\`
    if (code === 47 || code === 63 || code === 35 || code === 92) break;
    if (code === 64) from = end + 1;
  }
  if (end === from) return undefined;
  const authority = url.slice(from, end).toLowerCase();
  return authority.endsWith(".") ? authority.slice(0, -1) : authority;
}

export { hasCallShape } from "../providers/call-shape.ts";
