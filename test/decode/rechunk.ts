/** Cuts input into pieces at places that fast-check chooses. */
import * as fc from "fast-check";
import type { Splitter } from "../../src/decode/splitter.ts";

/** Cut positions as shares of the length: they shrink well and fit any input. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

export function cutAt<Input extends string | Uint8Array>(input: Input, shares: readonly number[]): Input[] {
  const positions = shares.map((share) => Math.floor(share * input.length)).sort((a, b) => a - b);
  const pieces: Input[] = [];
  let from = 0;
  for (const to of [...positions, input.length]) {
    pieces.push(input.slice(from, to) as Input);
    from = to;
  }
  return pieces;
}

export function everyByte<Input extends string | Uint8Array>(input: Input): Input[] {
  return Array.from({ length: input.length }, (_, at) => input.slice(at, at + 1) as Input);
}

export interface Collected {
  events: { text: string; name?: string }[];
  notes: string[];
}

/** Runs a splitter over pieces and gives back what it found. */
export function collect<Input>(
  create: (sink: { onEvent(text: string, name?: string): void; onNote(note: string): void }) => Splitter<Input>,
  pieces: readonly Input[],
): Collected {
  const found: Collected = { events: [], notes: [] };
  const splitter = create({
    onEvent: (text, name) => found.events.push(name === undefined ? { text } : { text, name }),
    onNote: (note) => found.notes.push(note),
  });
  for (const piece of pieces) splitter.push(piece);
  splitter.end();
  return found;
}

/** Processor time, in µs, that `run` takes: others that use the machine do not count. */
function measure(run: () => void): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/**
 * True when the work grows about as its input does: eight times the input takes less than thirty times as long. Quadratic
 * work would take sixty-four times as long, each time that it is tried.
 */
export function growsLinearly(run: (size: number) => void, size: number): boolean {
  run(size);
  for (let attempt = 0; attempt < 4; attempt++) {
    const small = Math.max(
      500,
      measure(() => run(size)),
    );
    if (measure(() => run(size * 8)) < small * 30) return true;
  }
  return false;
}
