/** Who answers behind a gateway, where only the name of the model or a URL tells. */
import { matchHost } from "./match-host.ts";
import { UPSTREAMS } from "./paths.ts";

/** Suffixes of Hugging Face's router that say how to choose a provider, and name none. */
const HUGGING_FACE_POLICIES: ReadonlySet<string> = new Set(["fastest", "cheapest", "preferred"]);

/**
 * The provider that a model's name asks a gateway for: `openai/gpt-5` at Cloudflare's `/compat` endpoint,
 * `org/model:groq` at Hugging Face's router. `undefined` for other hosts.
 */
export function findUpstreamOfModel(provider: string, model: string | undefined): string | undefined {
  if (model === undefined) return undefined;
  if (provider === "cloudflare.ai_gateway") {
    const slash = model.indexOf("/");
    return slash === -1 ? undefined : nameOf(model.slice(0, slash));
  }
  if (provider === "huggingface") {
    const colon = model.lastIndexOf(":");
    const name = model.slice(colon + 1);
    return colon === -1 || name === "" || HUGGING_FACE_POLICIES.has(name) ? undefined : nameOf(name);
  }
  return undefined;
}

/** The provider whose host an absolute URL names. */
export function findProviderOfUrl(url: string): string | undefined {
  const authority = /^https?:\/\/(?:[^/?#@]*@)?([^/?#]+)/i.exec(url)?.[1];
  return authority === undefined ? undefined : matchHost(authority.toLowerCase())?.provider;
}

function nameOf(name: string): string {
  return (Object.hasOwn(UPSTREAMS, name) ? UPSTREAMS[name]?.provider : undefined) ?? name;
}
