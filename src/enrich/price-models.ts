/** Which model of the price list is meant, as `@pydantic/genai-prices` looks it up; a test compares the two. */
import type { Match, PricedModel, PricedProvider } from "./price-source.ts";

export interface FoundModel {
  /** Id of who is paid, which may serve a model under another provider's prices. */
  provider: string;
  model: PricedModel;
}

/** @returns `undefined` for a model that the list does not know */
export type FindModel = (provider: string, model: string) => FoundModel | undefined;

/** @param texts - from `price-source.ts`; each is parsed when its provider is first asked for */
export function createModelFinder(texts: Readonly<Record<string, string>>): FindModel {
  const providers = new Map<string, PricedProvider>();

  function read(id: string): PricedProvider | undefined {
    let provider = providers.get(id);
    if (provider === undefined && Object.hasOwn(texts, id)) {
      provider = JSON.parse(texts[id] as string) as PricedProvider;
      providers.set(id, provider);
    }
    return provider;
  }

  function find({ models, fallback = [] }: PricedProvider, name: string): PricedModel | undefined {
    const own = findIn(models, name);
    if (own !== undefined) return own;
    for (const id of fallback) {
      const model = findIn(read(id)?.models ?? [], name);
      if (model !== undefined) return model;
    }
    return undefined;
  }

  return (id, model) => {
    const provider = read(id);
    if (provider === undefined) return undefined;
    const name = model.toLowerCase().trim();
    const dated = spellOutDates(name);
    const found = find(provider, name) ?? (dated === name ? undefined : find(provider, dated));
    return found === undefined ? undefined : { provider: id, model: found };
  };
}

function findIn(models: readonly PricedModel[], name: string): PricedModel | undefined {
  return models.find(({ id, match }) => (match === undefined ? id.toLowerCase() === name : isMatch(match, name)));
}

/** @param name - in lower case */
function isMatch(match: Match, name: string): boolean {
  if ("or" in match) return match.or.some((part) => isMatch(part, name));
  if ("and" in match) return match.and.every((part) => isMatch(part, name));
  if ("equals" in match) return name === match.equals.toLowerCase();
  if ("starts_with" in match) return name.startsWith(match.starts_with.toLowerCase());
  if ("ends_with" in match) return name.endsWith(match.ends_with.toLowerCase());
  if ("contains" in match) return name.includes(match.contains.toLowerCase());
  return new RegExp(match.regex).test(name);
}

const DATE = /-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)/g;

/** `-20250929` → `-2025-09-29` */
function spellOutDates(name: string): string {
  return name.replaceAll(DATE, (text, year: string, month: string, day: string) => {
    const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
    // No 31st of February.
    return date.getUTCDate() === Number(day) ? `-${year}-${month}-${day}` : text;
  });
}
