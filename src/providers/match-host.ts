/** Finds the row of the host table that an authority belongs to. */
import { PROVIDER_HOSTS, type PathRulesName, type ProviderHosts } from "./hosts.ts";

/** What a host name tells. */
export interface HostMatch {
  provider: string;
  paths: PathRulesName;
  upstreamProvider?: string;
}

interface HostIndex {
  exact: Map<string, HostMatch>;
  /** By everything behind `*.`. */
  suffixes: Map<string, HostMatch>;
  templates: [pattern: RegExp, match: HostMatch][];
}

let index: HostIndex | undefined;

/**
 * The provider at a host, or `undefined`.
 * @param authority Lower-case `host` or `host:port`, default port already dropped.
 */
export function matchHost(authority: string): HostMatch | undefined {
  index ??= buildIndex(PROVIDER_HOSTS);
  const host = hostnameOf(authority);
  const exact = index.exact.get(authority) ?? index.exact.get(host);
  if (exact !== undefined) return exact;
  for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
    const found = index.suffixes.get(host.slice(dot + 1));
    if (found !== undefined) return found;
  }
  for (const [pattern, match] of index.templates) if (pattern.test(host)) return match;
  return undefined;
}

/** The path rules of a provider by its name; `undefined` for a name that no row has. */
export function findPathRules(provider: string): PathRulesName | undefined {
  const row = PROVIDER_HOSTS.find((row) => row.provider === provider);
  return row === undefined ? undefined : (row.paths ?? "openai");
}

/** Authority without its port. Brackets of an IPv6 address stay. */
export function hostnameOf(authority: string): string {
  const colon = authority.lastIndexOf(":");
  return colon > authority.lastIndexOf("]") ? authority.slice(0, colon) : authority;
}

function buildIndex(rows: readonly ProviderHosts[]): HostIndex {
  const built: HostIndex = { exact: new Map(), suffixes: new Map(), templates: [] };
  for (const row of rows) {
    const match: HostMatch = { provider: row.provider, paths: row.paths ?? "openai" };
    if (row.upstreamProvider !== undefined) match.upstreamProvider = row.upstreamProvider;
    for (const pattern of row.hosts) {
      if (pattern.includes("{")) built.templates.push([compileTemplate(pattern), match]);
      else if (pattern.startsWith("*.")) setFirst(built.suffixes, pattern.slice(2), match);
      else setFirst(built.exact, pattern, match);
    }
  }
  return built;
}

function setFirst(map: Map<string, HostMatch>, key: string, match: HostMatch): void {
  if (!map.has(key)) map.set(key, match);
}

function compileTemplate(pattern: string): RegExp {
  const source = pattern
    .split(/\{[^}]*\}/)
    .map((literal) => literal.replaceAll(".", "\\."))
    .join("[a-z0-9-]+");
  return new RegExp(`^${source}$`);
}
