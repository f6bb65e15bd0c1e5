import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as hosts from "../../src/providers/hosts.ts";
import * as paths from "../../src/providers/paths.ts";

const script = new URL("../../scripts/docs-providers.mjs", import.meta.url).href;

/** The formatter pads tables. */
function withoutPadding(page: string): string {
  return page.replaceAll(/ {2,}/g, " ").replaceAll(/\|[ -]+(?=\|)/g, (cell) => (cell.includes("--") ? "|---" : cell));
}

it("docs/providers.md is what the tables say now", async () => {
  const { renderProviders } = (await import(script)) as { renderProviders: (tables: object) => string };
  const page = readFileSync(new URL("../../docs/providers.md", import.meta.url), "utf8");
  expect(withoutPadding(page)).toBe(withoutPadding(renderProviders({ ...hosts, ...paths })));
});
