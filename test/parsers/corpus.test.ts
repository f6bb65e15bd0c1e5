/** Recorded traffic, read with the parsers and judged by the scorer that lies beside it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parseExchange, type LlmCall, type RecordedExchange } from "../../src/parsers/index.ts";
import { root } from "../docs/pages.ts";

interface Recording extends Omit<RecordedExchange, "response"> {
  id: string;
  response: { status: number; headers: Record<string, string>; body?: Uint8Array };
}
interface Expected {
  id: string;
  llm: boolean | null;
}
interface Exchanges {
  trafficFolder: string;
  hasTraffic(): boolean;
  readExchanges(): Recording[];
  readExpected(): Expected[];
  createRandom(seed: number): () => number;
  splitAtRandom(bytes: Uint8Array, random: () => number): Uint8Array[];
}
interface Tally {
  overall: { exchanges: number; allRight: number; facts: Record<string, { n: number; right: number }> };
}
interface Mismatch {
  id: string;
  field: string;
}

const load = <Module>(script: string): Promise<Module> => import(join(root, "scripts", script)) as Promise<Module>;
const exchanges = await load<Exchanges>("score-exchanges.mjs");
const { callToFacts } = await load<{ callToFacts: (call: LlmCall) => object }>("score-facts.mjs");

/** Facts that are disputed: `id field`. */
function readDisputes(): string[] {
  const page = readFileSync(join(root, "docs/corpus-disputes.md"), "utf8");
  return [...page.matchAll(/^\| `([^`]+#\d+)`\s*\| `([\w.]+)`/gm)].map(([, id, field]) => `${id} ${field}`);
}

/** The scorer's answer for the calls of each exchange. */
function score(expected: readonly Expected[], calls: ReadonlyMap<string, LlmCall[]>): [Tally, Mismatch[]] {
  const folder = mkdtempSync(join(tmpdir(), "llm-tap-corpus-"));
  const file = (name: string): string => join(folder, name);
  const write = (name: string, lines: readonly object[]): string => {
    writeFileSync(file(name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return file(name);
  };
  const actual = [...calls].map(([id, list]) => ({ id, calls: list.map(callToFacts) }));
  const files = ["--expected", write("expected.jsonl", expected), "--actual", write("actual.jsonl", actual)];
  const output = ["--json", file("tally.json"), "--mismatches", file("mismatches.jsonl")];
  const scorer = join(exchanges.trafficFolder, "score.mjs");
  const { status, stderr } = spawnSync(process.execPath, [scorer, ...files, ...output], { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  const tally = JSON.parse(readFileSync(file("tally.json"), "utf8")) as Tally;
  const mismatches = readFileSync(file("mismatches.jsonl"), "utf8").split("\n").filter(Boolean);
  rmSync(folder, { recursive: true });
  return [tally, mismatches.map((line) => JSON.parse(line) as Mismatch)];
}

describe.skipIf(!exchanges.hasTraffic()).each([1, 2])("recorded traffic, cut at random with seed %i", (seed) => {
  let expected: Expected[];
  const calls = new Map<string, LlmCall[]>();
  let tally: Tally;
  let mismatches: Mismatch[];

  beforeAll(() => {
    expected = exchanges.readExpected();
    const random = exchanges.createRandom(seed);
    for (const { id, request, response } of exchanges.readExchanges()) {
      const { status, headers, body = new Uint8Array() } = response;
      const chunks = exchanges.splitAtRandom(body, random).map((bytes, atMs) => ({ bytes, atMs }));
      const call = parseExchange({ request, response: { status, headers, chunks } });
      calls.set(id, call === undefined ? [] : [call]);
    }
    [tally, mismatches] = score(expected, calls);
  }, 120_000);

  it("gives 99 % of all facts, and 97 % of the exchanges without a flaw", () => {
    const facts = Object.values(tally.overall.facts);
    const sum = (key: "n" | "right"): number => facts.reduce((total, fact) => total + fact[key], 0);
    expect(sum("n")).toBeGreaterThan(40_000);
    expect(sum("right") / sum("n")).toBeGreaterThanOrEqual(0.99);
    expect(tally.overall.allRight / tally.overall.exchanges).toBeGreaterThanOrEqual(0.97);
  });

  it("differs from what is expected only where docs/corpus-disputes.md says why", () => {
    expect(mismatches.map(({ id, field }) => `${id} ${field}`).sort()).toEqual(readDisputes().sort());
  });

  it("makes no parser fail", () => {
    const failed = [...calls].filter(([, list]) => list.some(({ capture }) => capture.notes.includes("parser_failed")));
    expect(failed.map(([id]) => id)).toEqual([]);
  });

  it("gives no record for what is no inference, and one for what is", () => {
    const wrong = expected.filter(({ id, llm }) => llm !== null && calls.get(id)?.length !== Number(llm));
    expect(wrong.map(({ id }) => id)).toEqual([]);
  });
});
