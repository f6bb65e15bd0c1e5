/** Reads a URL path by a set of path rules: which API, which operation, which model. */
import type { Api, Operation } from "../types.ts";
import {
  DEFAULT_OPERATIONS,
  operationOfModel,
  PATH_RULES,
  type PathRule,
  PUBLISHER_APIS,
  SNIFF_RULES,
  UPSTREAMS,
  VERB_RULES,
} from "./paths.ts";
import type { PathRulesName } from "./hosts.ts";

/** What a path tells. */
export interface PathMatch {
  api: Api;
  operation: Operation;
  /** Model or deployment named in the path, URL-decoded. */
  pathModel?: string;
  upstreamProvider?: string;
}

interface RuleIndex {
  /** By last segment of the suffix, longest suffix first. */
  byLastSegment: Map<string, PathRule[]>;
  open: PathRule[];
}

const indexes = new Map<PathRulesName | "sniff", RuleIndex>();

/**
 * Reads a path that was sent with POST.
 * @param path With or without query.
 * @param rules Name of the rule set, or `sniff` for a host that no table knows.
 */
export function matchPath(path: string, rules: PathRulesName | "sniff"): PathMatch | undefined {
  const pathname = pathnameOf(path);
  if (rules === "cloudflare-gateway") return matchCloudflareGateway(pathname);
  const lastSegment = pathname.slice(pathname.lastIndexOf("/") + 1);
  return matchVerb(pathname, lastSegment) ?? matchRules(pathname, lastSegment, rules);
}

/** A path without query, fragment and trailing slash. */
export function pathnameOf(path: string): string {
  let end = path.indexOf("?");
  if (end === -1) end = path.length;
  const hash = path.indexOf("#");
  if (hash !== -1 && hash < end) end = hash;
  while (end > 1 && path.charCodeAt(end - 1) === 47) end--;
  return end === path.length ? path : path.slice(0, end);
}

function matchRules(pathname: string, lastSegment: string, rules: PathRulesName | "sniff"): PathMatch | undefined {
  const index = findIndex(rules);
  const candidates = index.byLastSegment.get(lastSegment);
  if (candidates !== undefined) {
    for (const rule of candidates) {
      const match = applyRule(pathname, rule);
      if (match !== undefined) return match;
    }
  }
  for (const rule of index.open) {
    const match = applyRule(pathname, rule);
    if (match !== undefined) return match;
  }
  return undefined;
}

function applyRule(pathname: string, rule: PathRule): PathMatch | undefined {
  if (!pathname.endsWith(rule.suffix)) return undefined;
  if (rule.not !== undefined && pathname.includes(rule.not)) return undefined;
  const suffixStart = pathname.length - rule.suffix.length;
  let model: string | undefined;
  if (rule.after !== undefined) {
    const start = pathname.indexOf(rule.after);
    if (start === -1 || start + rule.after.length >= suffixStart) return undefined;
    if (rule.anonymous !== true) model = decode(pathname.slice(start + rule.after.length, suffixStart));
  } else if (rule.api.startsWith("openai-")) {
    model = findDeployment(pathname);
  }
  const operation = rule.operation ?? operationOfModel(model, DEFAULT_OPERATIONS[rule.api]);
  return model === undefined ? { api: rule.api, operation } : { api: rule.api, operation, pathModel: model };
}

/** `/openai/deployments/{name}/…` (Azure, LiteLLM) and `/engines/{name}/…` (the oldest OpenAI paths). */
function findDeployment(pathname: string): string | undefined {
  for (const marker of ["/deployments/", "/engines/"]) {
    const start = pathname.indexOf(marker);
    if (start === -1) continue;
    const end = pathname.indexOf("/", start + marker.length);
    if (end > start + marker.length) return decode(pathname.slice(start + marker.length, end));
  }
  return undefined;
}

function matchVerb(pathname: string, given: string): PathMatch | undefined {
  // Some clients encode the colon.
  const lastSegment = given.includes("%3") ? given.replace(/%3a(?=[A-Za-z]+$)/i, ":") : given;
  const colon = lastSegment.lastIndexOf(":");
  if (colon === -1) return undefined;
  const verb = lastSegment.slice(colon + 1);
  const rule = Object.hasOwn(VERB_RULES, verb) ? VERB_RULES[verb] : undefined;
  if (rule === undefined) return undefined;
  const model = decode(lastSegment.slice(0, colon));
  let { api } = rule;
  if (verb.endsWith("awPredict")) {
    const publisher = /\/publishers\/([^/]+)\//.exec(pathname)?.[1];
    if (publisher !== undefined && Object.hasOwn(PUBLISHER_APIS, publisher)) api = PUBLISHER_APIS[publisher] ?? api;
    if (model === "count-tokens") return { api, operation: "count_tokens" };
  }
  const operation = rule.operation ?? operationOfModel(model, DEFAULT_OPERATIONS[api]);
  return model === "" ? { api, operation } : { api, operation, pathModel: model };
}

/** `/v1/{account}/{gateway}/{provider}/{the provider's own path}`; without a provider the body is a list of calls to try. */
function matchCloudflareGateway(pathname: string): PathMatch | undefined {
  if (/^\/v1\/[^/]+\/[^/]+$/.test(pathname)) return { api: "openai-chat", operation: "chat" };
  const parts = /^\/v1\/[^/]+\/[^/]+\/([^/]+)(\/.*)$/.exec(pathname);
  const name = parts?.[1];
  let rest = parts?.[2];
  if (name === undefined || rest === undefined) return undefined;
  const upstream = Object.hasOwn(UPSTREAMS, name) ? UPSTREAMS[name] : undefined;
  if (upstream === undefined) return matchPath(rest, "openai");
  // `/{resource}/{deployment}/…` stands for Azure's `/openai/deployments/{deployment}/…`.
  if (name === "azure-openai") rest = rest.replace(/^\/[^/]+\//, "/deployments/");
  let match = matchPath(rest, upstream.paths);
  if (match === undefined && name === "workers-ai") match = matchPath(`/ai/run${rest}`, "cloudflare");
  if (match === undefined && name === "huggingface") match = matchPath(`/models${rest}`, "huggingface");
  return match === undefined ? undefined : { ...match, upstreamProvider: upstream.provider };
}

function findIndex(rules: PathRulesName | "sniff"): RuleIndex {
  const known = indexes.get(rules);
  if (known !== undefined) return known;
  const built: RuleIndex = { byLastSegment: new Map(), open: [] };
  for (const rule of rules === "sniff" ? SNIFF_RULES : PATH_RULES[rules]) {
    if (rule.suffix === "") {
      built.open.push(rule);
      continue;
    }
    const key = rule.suffix.slice(rule.suffix.lastIndexOf("/") + 1);
    const list = built.byLastSegment.get(key);
    if (list === undefined) built.byLastSegment.set(key, [rule]);
    else list.push(rule);
  }
  for (const list of built.byLastSegment.values()) list.sort((a, b) => specificity(b) - specificity(a));
  indexes.set(rules, built);
  return built;
}

function specificity(rule: PathRule): number {
  return rule.suffix.length + (rule.after?.length ?? 0);
}

function decode(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
