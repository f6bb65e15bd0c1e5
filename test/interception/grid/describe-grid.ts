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

export function describeGrid(undici: 6 | 7 | 8): void {
  let reach: ProgramReport["reach"] = {};
  let reports: Record<string, ModeReport> = {};

  beforeAll(async () => {
    if (!loads(undici)) return;
    const names = (isRegistered: boolean) =>
      modes.filter(([, mode]) => (mode.isRegistered ?? false) === isRegistered).map(([name]) => name);
    const [plain, registered] = await Promise.all([
      runProgram({ undici, modes: names(false), isRegistered: false }),
      runProgram({ undici, modes: names(true), isRegistered: true }),
    ]);
    ({ reach } = plain);
    reports = { ...plain.report, ...registered.report };
  }, 300_000);

  function find(name: string): ModeReport {
    const report = reports[name];
    if (report === undefined) throw new Error(`the grid has no mode ${name}`);
    return report;
  }

  describe.each(tapped)("%s", (name, mode) => {
    it.for(CLIENTS)("%s", (client, { skip }) => {
      skipUnless(loads(undici), `undici ${undici} does not load on Node ${process.version}`);
      const bare = find(`bare, ${mode.base}`);
      const report = find(name);
      const json = bare.results[`${client}/json`]?.seen.seen;
      skipUnless(
        json === undefined || (json.error === undefined && json.hangs !== true),
        `this pair does not work without a tap on Node ${process.version}`,
      );
      const cells = Object.entries(report.results).filter(([cell]) => cell.startsWith(`${client}/`));
      expect(cells.length).toBeGreaterThan(1);
      const problems = cells.flatMap(([cell, result]) => {
        const expected = bare.results[cell];
        return expected === undefined ? [`${cell} has no call to compare with`] : compareCell(cell, expected, result);
      });
      for (const tap of report.taps) {
        const isSeen = sees(tap.ways, { client, base: mode.base, reachesGlobal: reach[client] ?? true }) as boolean;
        problems.push(...judgeRecords(tap, { client, sees: isSeen, mode: report }));
      }
      expect([...problems, ...judgeIds(report.taps, client)]).toEqual([]);

      function skipUnless(condition: boolean, why: string): void {
        if (!condition) skip(why);
      }
    });

    it("accounts for every call and leaves nothing behind", ({ skip }) => {
      if (!loads(undici)) skip(`undici ${undici} does not load on Node ${process.version}`);
      const report = find(name);
      expect(report.taps.flatMap((tap) => judgeStats(tap, report))).toEqual([]);
      expect(report.strays).toEqual(find(`bare, ${mode.base}`).strays);
      expect(Object.values(report.left)).not.toContain(false);
    });
  });
}
