/** Many conversations at once, of which the truth is known: no wrong join, and how many of the right ones are found. */
import { describe, expect, it } from "vitest";
import type { TapOptions } from "../../../src/index.ts";
import { DIALECTS, type Dialect } from "./dialects.ts";
import { createWorld, type IdStyle, talk, type TalkOptions, type Verdict } from "./world.ts";

const PEOPLE = 8;
const IDS: readonly IdStyle[] = ["random", "call_0", "named:0", "camelCase_0", "call-0001", "stamp"];

async function play(seed: number, options: TalkOptions, tapOptions: TapOptions = {}): Promise<Verdict> {
  const world = createWorld(seed, tapOptions);
  await Promise.all(Array.from({ length: PEOPLE }, (_, index) => talk(world, `p${index}`, options)));
  return world.judge();
}

function expectNothingWrong(verdict: Verdict): void {
  expect(verdict.wrong).toEqual([]);
  expect(verdict.wrongParents).toEqual([]);
  expect(verdict.wrongRetries).toEqual([]);
}

/** @param share - of those that go on from an earlier call, how many must be told so */
async function expectShare(share: number, ...given: Parameters<typeof play>): Promise<void> {
  const verdict = await play(...given);
  expectNothingWrong(verdict);
  expect(verdict.linked / verdict.continued).toBeGreaterThanOrEqual(share);
}

/** Of an edit nobody can tell whose answer it goes on from, unless the provider stores it. */
const EDITED = 0.5;

describe.each(DIALECTS)("$name", (dialect: Dialect) => {
  const chat: TalkOptions = { dialect, ids: "random", answers: "own", turns: 3 };

  it("finds every turn of every chat", () => expectShare(1, 1, chat));

  it("joins no two where histories are edited or answers made again", async () => {
    await Promise.all([
      expectShare(EDITED, 2, { ...chat, edits: "edit" }),
      expectShare(EDITED, 3, { ...chat, edits: "regenerate" }),
    ]);
  });

  it("joins no two people who hear the same answers to the same words", async () => {
    const share = dialect.stores === undefined ? 0 : 1;
    const ways = [{}, { edits: "edit" }, { edits: "regenerate" }] as const;
    await Promise.all(ways.map((more) => expectShare(share, 4, Object.assign({}, chat, { answers: "same" }, more))));
  });

  it("finds every step of every agent, whatever its ids look like", async () => {
    const agent: TalkOptions = { ...chat, turns: 2, tools: true };
    await Promise.all(IDS.map((ids, seed) => expectShare(1, seed, Object.assign({}, agent, { ids }))));
  });

  it("joins no two agents whose words and ids are the same", async () => {
    const agent: TalkOptions = { ...chat, answers: "same", turns: 2, tools: true, edits: "edit" };
    await Promise.all(IDS.map((ids, seed) => expectShare(0, seed, Object.assign({}, agent, { ids }))));
  });

  it("does so with content off, and told by capture", async () => {
    const agent: TalkOptions = { ...chat, turns: 2, tools: true };
    await Promise.all([
      expectShare(1, 5, agent, { privacyMode: true }),
      expectShare(1, 6, agent, { capture: () => "metadata" }),
      expectShare(1, 7, agent, { excludeInput: true, excludeOutput: true }),
    ]);
  });

  it("does so where bodies are read in another thread", async () => {
    const agent: TalkOptions = { ...chat, turns: 2, tools: true, system: "You are kind. ".repeat(10_000) };
    await expectShare(1, 8, agent);
    await expectShare(0, 9, { ...agent, answers: "same" });
  });

  it("keeps or leaves out whole conversations, by sampleRate", async () => {
    const verdict = await play(10, { ...chat, tools: true }, { sampleRate: 0.5 });
    expectNothingWrong(verdict);
    const counts = new Map<string, number>();
    for (const { trace } of verdict.calls) counts.set(trace.traceId, (counts.get(trace.traceId) ?? 0) + 1);
    for (const count of counts.values()) expect(count).toBe(6);
  });
});
