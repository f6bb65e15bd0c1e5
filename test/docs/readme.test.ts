/** What the README says of options and records is what the code has; its links lead somewhere. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { createTap } from "../../src/index.ts";
import { DEFAULT_LIMITS, DEFAULT_MAX_CONTENT_LENGTH } from "../../src/options.ts";
import { VARIABLES } from "../../src/register/settings.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { startMockProviders } from "../../src/testing/mock-providers.ts";
import { listAnchors, listCodeBlocks, readPage, readPages, readTable, root } from "./pages.ts";

const readme = readPage("README.md");

describe("the table of options", () => {
  const rows = readTable(readme, "Options");
  const names = rows.flatMap(([cell]) => [...(cell ?? "").matchAll(/`(\w+)`/g)].map((match) => match[1]));

  it("has each option once, in the order of the type", () => {
    const types = readFileSync(`${root}src/types.ts`, "utf8");
    const body = types.split("export interface TapOptions {")[1]?.split("\n}")[0] ?? "";
    expect(names).toEqual([...body.matchAll(/^ {2}(\w+)\?:/gm)].map((match) => match[1]));
  });

  it("has the default limits", () => {
    const defaultOf = (name: string) => rows.find(([cell]) => cell === `\`${name}\``)?.[1]?.replaceAll("`", "");
    const mib = 1024 * 1024;
    const { exchangeBytes, queueBytes, queueExchanges, conversationBytes } = DEFAULT_LIMITS;
    expect(defaultOf("limits")).toBe(
      `{ exchangeBytes: ${exchangeBytes / mib} MiB, queueBytes: ${queueBytes / mib} MiB, queueExchanges: ${group(queueExchanges)}, conversationBytes: ${conversationBytes / mib} MiB }`,
    );
    expect(defaultOf("maxContentLength")).toBe(group(DEFAULT_MAX_CONTENT_LENGTH));
  });
});

it("names each variable of the environment", () => {
  const section = readme.split("### 4. No code at all")[1]?.split("\n## ")[0] ?? "";
  expect([...section.matchAll(/^\| `(\w+)` /gm)].map((match) => match[1])).toEqual(Object.keys(VARIABLES));
});

function group(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, "_");
}

it("shows a record as it is", async () => {
  const block = listCodeBlocks(readme).find(({ language }) => language === "json");
  const { id, timing, ...shown } = JSON.parse(block?.code ?? "") as Record<string, Record<string, unknown>>;

  const mock = await startMockProviders({
    replies: {
      weather: {
        text: "",
        toolCalls: [{ name: "get_weather", arguments: { city: "Zürich" } }],
        usage: { inputTokens: 812, outputTokens: 24, cacheReadTokens: 640, reasoningTokens: 0 },
        model: "gpt-4.1-mini-2025-04-14",
      },
    },
  });
  const sink = memorySink();
  const tap = createTap({ hosts: mock.hosts, sinks: [sink] });
  const openai = new OpenAI({ apiKey: "none", baseURL: mock.baseUrl("openai", "weather"), fetch: tap.fetch });
  await tap.run({ userId: "u-123", sessionId: "s-9" }, async () => {
    const stream = await openai.chat.completions.create({
      model: "gpt-4.1-mini",
      messages: [{ role: "user", content: "What is the weather in Zürich?" }],
      tools: [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }],
      temperature: 0.2,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const _chunk of stream);
  });
  await tap.close();
  await mock.close();

  const [call] = sink.calls;
  expect(call).toMatchObject(shown);
  expect(typeof call?.id).toBe(typeof id);
  expect(Object.keys(call?.timing ?? {})).toEqual(expect.arrayContaining(Object.keys(timing ?? {})));
});

it("names only tests that are there", () => {
  const rows = readTable(readme, "Why a tap at `fetch`");
  const source = readFileSync(`${root}test/sdk/openai.test.ts`, "utf8");
  for (const name of rows.flatMap((cells) => [...(cells[2] ?? "").matchAll(/"([^"]+)"/g)].map((match) => match[1]))) {
    expect(source).toContain(`name: "${name}`);
  }
});

describe("relative links", () => {
  it.each(readPages().map(({ path, text }) => [path, text] as const))("of %s", (path, text) => {
    for (const [, target = ""] of text.matchAll(/\]\(((?!https?:)[^)\s]+)\)/g)) {
      const [file = "", anchor] = target.split("#");
      const to = file === "" ? path : join(dirname(path), file);
      expect(existsSync(root + to), `${path}: ${target}`).toBe(true);
      if (anchor !== undefined) expect([...listAnchors(readPage(to))], `${path}: ${target}`).toContain(anchor);
    }
  });
});
