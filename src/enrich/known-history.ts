/**
 * Histories of what requests begin with. Where the same messages come again, they are taken over: with the descriptions
 * of their turns, and with the hashes that somebody asked for.
 */
import type { KnownBeginning } from "../known-messages.ts";
import type { History, HistoryBefore } from "./history.ts";

/** Which histories there are of one conversation: the whole one, and the one without tools. */
export type HistoryKind = "whole" | "visible";

interface KnownHistory {
  head: string;
  history: History;
  /** For each of its turns the index of the message of the request from which it goes on behind it. */
  froms: readonly number[];
  /** So many messages of that request come again. */
  count: number;
}

const historiesOf = new WeakMap<object, Partial<Record<HistoryKind, KnownHistory>>>();

export interface KnownBefore extends HistoryBefore {
  /** Of its turns: see `KnownHistory`. */
  froms: readonly number[];
}

/** How the history of a request begins. `undefined`: nothing is known of it. */
export function findBefore(
  known: KnownBeginning | undefined,
  kind: HistoryKind,
  head: string,
): KnownBefore | undefined {
  if (known === undefined) return undefined;
  const { token, shorter, count } = known;
  const found = historiesOf.get(token)?.[kind] ?? (shorter && historiesOf.get(shorter)?.[kind]);
  if (found === undefined || found.head !== head) return undefined;
  // What the model says next to each other is one turn: behind a whole one stands something else that is known too.
  const limit = Math.min(count, found.count);
  let turns = 0;
  while ((found.froms[turns] ?? limit) < limit) turns += 1;
  const from = found.froms[turns - 1];
  return from === undefined ? undefined : { history: found.history, turns, from, froms: found.froms.slice(0, turns) };
}

/**
 * For the requests that will begin in the same way; the first one counts.
 *
 * @param listFroms - of the turns that were not known before: see `KnownHistory`
 */
export function noteHistory(
  known: KnownBeginning | undefined,
  kind: HistoryKind,
  noted: Pick<KnownHistory, "head" | "history"> & { before: KnownBefore | undefined },
  listFroms: () => readonly number[],
): void {
  if (known === undefined) return;
  const { token, count } = known;
  const { head, history, before } = noted;
  const histories = historiesOf.get(token);
  if (histories?.[kind] !== undefined) return;
  const froms = [...(before?.froms ?? []), ...listFroms()];
  historiesOf.set(token, { ...histories, [kind]: { head, history, froms, count } });
}
