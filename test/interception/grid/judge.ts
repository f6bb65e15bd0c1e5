/** Says where a tapped run differs from a bare one, and what of the records is not as it should be. */
import type { CellResult, ModeReport, TapReport } from "./run-program.ts";

/** @returns one line for each place where the two are not the same */
export function listDifferences(bare: unknown, tapped: unknown, path = ""): string[] {
  if (Object.is(bare, tapped)) return [];
  if (typeof bare === "object" && typeof tapped === "object" && bare !== null && tapped !== null) {
    const keys = new Set([...Object.keys(bare), ...Object.keys(tapped)]);
    return [...keys].flatMap((key) =>
      listDifferences(
        (bare as Record<string, unknown>)[key],
        (tapped as Record<string, unknown>)[key],
        `${path}/${key}`,
      ),
    );
  }
  return [`${path}: ${JSON.stringify(bare)} became ${JSON.stringify(tapped)}`];
}

/** Socket buffers of the system hold a few MB, sometimes more, sometimes fewer. */
const SENT_TOLERANCE = 4_000_000;

export function compareCell(name: string, bare: CellResult, tapped: CellResult): string[] {
  const differences = listDifferences(bare.seen, tapped.seen);
  if (bare.measured !== undefined && (tapped.measured?.sent ?? Infinity) > bare.measured.sent + SENT_TOLERANCE) {
    differences.push(`: the server sent ${tapped.measured?.sent} bytes instead of ${bare.measured.sent}`);
  }
  return differences.map((line) => `${name} ${line}`);
}

/** Whether the call works without a tap; what hangs or throws there leaves nothing to expect of a record. */
function works({ seen: { seen } }: CellResult): boolean {
  return seen.hangs !== true && seen.error === undefined;
}

/** @param sees Whether this tap is in the way of the calls of a client. */
export function judgeRecords(
  tap: TapReport,
  { client, sees, mode }: { client: string; sees: boolean; mode: ModeReport },
): string[] {
  return tap.calls.flatMap(({ cell, calls }) => {
    const result = mode.results[cell];
    if (result === undefined || !cell.startsWith(`${client}/`)) return [];
    const name = `${cell}, ${tap.ways.join(" + ")}`;
    if (!sees) return calls.length === 0 ? [] : [`${name}: has ${calls.length} records, is not in the way`];
    const lines: string[] = [];
    if (result.records !== "any" && calls.length !== result.records && result.seen.seen.hangs !== true) {
      lines.push(`${name}: has ${calls.length} records instead of ${result.records}`);
    }
    const isSure =
      result.outcome !== "any" && result.outcome !== null && (works(result) || result.outcome !== "success");
    for (const { outcome, notes } of calls) {
      if (isSure && outcome !== result.outcome) lines.push(`${name}: is ${outcome} instead of ${result.outcome}`);
      if (isSure && notes.includes("request_body_not_captured")) lines.push(`${name}: its request was not read`);
    }
    return lines;
  });
}

/** Each tap has its own record of a call, all with one id. */
export function judgeIds(taps: readonly TapReport[], client: string): string[] {
  const ids = new Map<string, string[]>();
  for (const { calls } of taps) {
    for (const { cell, calls: recorded } of calls) {
      const [only] = recorded;
      if (only !== undefined && recorded.length === 1) ids.set(cell, [...(ids.get(cell) ?? []), only.id]);
    }
  }
  return [...ids]
    .filter(([cell, list]) => cell.startsWith(`${client}/`) && new Set(list).size > 1)
    .map(([cell, list]) => `${cell}: has the ids ${list.join(", ")}`);
}

/** seen = recorded + sampled out + dropped + ignored + in flight, and nothing is in flight but what hangs. */
export function judgeStats({ ways, stats, errors }: TapReport, mode: ModeReport): string[] {
  if (stats === undefined) return [];
  const name = ways.join(" + ");
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0);
  const { seen, recorded, sampledOut, dropped, ignored, inFlight } = stats;
  const accounted = recorded + sampledOut + sum(dropped) + sum(ignored) + inFlight;
  const hanging = Object.values(mode.results).filter((result) => result.seen.seen.hangs === true).length;
  const lines = errors.map((error) => `${name}: ${error}`);
  if (seen !== accounted) lines.push(`${name}: has seen ${seen}, but accounts for ${accounted}`);
  if (inFlight > hanging) lines.push(`${name}: has ${inFlight} calls in flight, ${hanging} hang`);
  if (sum(dropped) + sum(stats.errors) > 0) lines.push(`${name}: ${JSON.stringify({ dropped, errors: stats.errors })}`);
  return lines;
}
