/** The same model is found as by the price list itself, under every name that it knows and many that it does not. */
import { calcPrice, waitForUpdate } from "@pydantic/genai-prices";
import { beforeAll, describe, expect, it } from "vitest";
import { createModelFinder } from "../../src/enrich/price-models.ts";
import { texts } from "../../src/enrich/price-source.ts";
import { priceProviders } from "../../src/enrich/price-providers.ts";

type Providers = NonNullable<Awaited<ReturnType<typeof waitForUpdate>>>;

let providers: Providers;
beforeAll(async () => {
  providers = (await waitForUpdate()) ?? [];
});

const find = createModelFinder(texts);

function describeOurs(provider: string, name: string): string {
  const model = find(provider, name)?.model;
  return model === undefined ? "unknown" : `${model.id} ${JSON.stringify(model.prices)}`;
}

function describeTheirs(provider: string, name: string): string {
  const result = calcPrice({}, name, { providerId: provider });
  // A provider of a similar name is not the one that was asked for.
  if (result === null || result.provider.id !== provider) return "unknown";
  return `${result.model.id} ${JSON.stringify(result.model.prices)}`;
}

function countDifferent(provider: string, names: Iterable<string>): { known: number; different: string[] } {
  const different: string[] = [];
  let known = 0;
  for (const name of names) {
    const theirs = describeTheirs(provider, name);
    if (theirs !== "unknown") known += 1;
    if (describeOurs(provider, name) !== theirs) different.push(`${provider} ${name}`);
  }
  return { known, different };
}

describe("a model is found as the price list finds it", () => {
  it("for each provider and each id of any", () => {
    const names = new Set(providers.flatMap(({ models }) => models.map(({ id }) => id)));
    let total = 0;
    for (const { id } of providers) {
      const { known, different } = countDifferent(id, names);
      total += known;
      expect(different).toEqual([]);
    }
    expect(total).toBeGreaterThan(1_500);
  });

  it("under the other names that ids have", () => {
    const variants: ((id: string) => string)[] = [
      (id) => id.toUpperCase(),
      (id) => ` ${id}\n`,
      (id) => `${id}-20250929`,
      (id) => `${id}-2025-09-29`,
      (id) => `${id}-20250231`,
      (id) => `${id}-20250929-v1:0`,
      (id) => `us.${id}`,
      (id) => `anthropic.${id}-v1:0`,
      (id) => `${id}:free`,
      (id) => `${id}-latest`,
      (id) => `${id}-preview`,
      (id) => id.replaceAll(/(20\d{2})-(\d{2})-(\d{2})/g, "$1$2$3"),
      (id) => id.slice(id.indexOf("/") + 1),
      (id) => id.slice(0, -1),
    ];
    for (const { id, models } of providers) {
      const names = models.flatMap((model) => variants.map((vary) => vary(model.id)));
      expect(countDifferent(id, new Set(names)).different).toEqual([]);
    }
  });

  it("not at a provider of a similar name", () => {
    expect(find("openai-like", "gpt-4o")).toBeUndefined();
    expect(find("toString", "gpt-4o")).toBeUndefined();
  });
});

it("each provider that we bill by is in the list", () => {
  expect(Object.values(priceProviders).filter((id) => !Object.hasOwn(texts, id))).toEqual([]);
});

it("no model's prices contradict each other, which the price list checks at each look-up", () => {
  for (const { id, models } of providers) {
    for (const model of models) {
      const all = Array.isArray(model.prices) ? model.prices.map(({ prices }) => prices) : [model.prices];
      for (const prices of all) {
        const match = { equals: model.id };
        const provider = { id, name: id, api_pattern: "", models: [{ id: model.id, match, prices }] };
        expect(() => calcPrice({}, model.id, { provider }), `${id} ${model.id}`).not.toThrow();
      }
    }
  }
});
