/** One undici, on the Node at hand, in every way to call it and to tap it: the same as without a tap. */
import { beforeAll, describe, expect, it } from "vitest";
import { compareCell, judgeIds, judgeRecords, judgeStats } from "./judge.ts";
// @ts-expect-error It runs without a build in the processes of the grid, so it is plain JavaScript.
import { MODES, sees } from "./modes.mjs";
import { type ModeReport, type ProgramReport, runProgram } from "./run-program.ts";
import { UNDICIS } from "../undicis.ts";

interface Mode {
  base: "plain" | "given" | "global";
  isRegistered?: true;
  taps: string[][];
}

const CLIENTS = ["built-in fetch", "undici.fetch", "request", "stream", "pipeline", "connect and upgrade", "dispatch"];
const modes = Object.entries(MODES as Record<string, Mode>);
const tapped = modes.filter(([name]) => !name.startsWith("bare"));
const loads = (undici: number) => UNDICIS.some((each) => each.major === undici && each.loads);

interface Grid {
  reach: ProgramReport["reach"];
  reports: Record<string, ModeReport>;
}

interface RunOptions {
  undici: number;
  names: readonly string[];
  /** Only these calls, by the beginning of their name. */
  only?: string;
}

/** What the app is told by `--import` cannot be taken back: those modes have a process of their own. */
async function runGrid({ undici, names, only }: RunOptions): Promise<Grid> {
  const isRegistered = (name: string) => (MODES as Record<string, Mode>)[name]?.isRegistered ?? false;
  const runs = [false, true].map(async (registered) => {
    const chosen = names.filter((name) => isRegistered(name) === registered);
    if (chosen.length === 0) return { reach: {}, report: {} };
    return runProgram({ undici, modes: chosen, isRegistered: registered, ...(only !== undefined && { only }) });
  });
  const [plain, registered] = (await Promise.all(runs)) as [ProgramReport, ProgramReport];
  return { reach: plain.reach, reports: { ...plain.report, ...registered.report } };
}

function find({ reports }: Grid, name: string): ModeReport {
  const report = reports[name];
  if (report === undefined) throw new Error(`the grid has no mode ${name}`);
  return report;
}

function judgeClient(grid: Grid, name: string, mode: Mode, client: string): string[] {
  const bare = find(grid, `bare, ${mode.base}`);
  const report = find(grid, name);
  const cells = Object.entries(report.results).filter(([cell]) => cell.startsWith(`${client}/`));
  if (cells.length < 2) return [`${client} has made ${cells.length} calls`];
  const problems = cells.flatMap(([cell, result]) => {
    const expected = bare.results[cell];
    return expected === undefined ? [`${cell} has no call to compare with`] : compareCell(cell, expected, result);
  });
  for (const tap of report.taps) {
    const reachesGlobal = grid.reach[client] ?? true;
    const isSeen = sees(tap.ways, { client, base: mode.base, reachesGlobal }) as boolean;
    problems.push(...judgeRecords(tap, { client, sees: isSeen, mode: report }));
  }
  return [...problems, ...judgeIds(report.taps, client)];
}

function judgeMode(grid: Grid, name: string, mode: Mode): string[] {
  const report = find(grid, name);
  const problems = report.taps.flatMap((tap) => judgeStats(tap, report));
  const before = find(grid, `bare, ${mode.base}`).strays;
  if (String(report.strays) !== String(before)) problems.push(`the process got ${String(report.strays)}`);
  for (const [place, isSame] of Object.entries(report.left)) if (!isSame) problems.push(`${place} is not what it was`);
  return problems;
}

export function describeGrid(undici: 6 | 7 | 8): void {
  let grid: Grid = { reach: {}, reports: {} };

  beforeAll(async () => {
    if (loads(undici)) grid = await runGrid({ undici, names: modes.map(([name]) => name) });
  }, 300_000);

  /** On a machine that is too busy a call may time out, or not; a real difference is one each time. */
  async function expectNone(judge: (grid: Grid) => string[], run: Omit<RunOptions, "undici">): Promise<void> {
    if (judge(grid).length > 0) expect(judge(await runGrid({ undici, ...run }))).toEqual([]);
  }

  describe.each(tapped)("%s", (name, mode) => {
    const names = [`bare, ${mode.base}`, name];

    it.for(CLIENTS)("%s", { timeout: 200_000 }, async (client, { skip }) => {
      if (!loads(undici)) skip(`undici ${undici} does not load on Node ${process.version}`);
      const json = find(grid, `bare, ${mode.base}`).results[`${client}/json`]?.seen.seen;
      const works = json === undefined || (json.error === undefined && json.hangs !== true);
      if (!works) skip(`this pair does not work without a tap on Node ${process.version}`);
      await expectNone((each) => judgeClient(each, name, mode, client), { names, only: `${client}/` });
    });

    it("accounts for every call and leaves nothing behind", { timeout: 200_000 }, async ({ skip }) => {
      if (!loads(undici)) skip(`undici ${undici} does not load on Node ${process.version}`);
      await expectNone((each) => judgeMode(each, name, mode), { names });
    });
  });
}
