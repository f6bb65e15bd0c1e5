/** After every test: each tap that it has made must account for every call that it has seen. */
import { afterEach, expect, vi } from "vitest";
import type { Tap } from "../src/index.ts";
import type { TapStats } from "../src/types.ts";

/** As long as a test runs; those of concurrent tests are looked at more than once, which is right at any time. */
const taps = new Set<Tap>();

vi.mock(import("../src/tap.ts"), async (importOriginal) => {
  const room = await importOriginal();
  return {
    ...room,
    createTap(options) {
      const tap = room.createTap(options);
      taps.add(tap);
      return tap;
    },
  };
});

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0);

/** @throws when a call is nowhere, or counted twice */
export function expectAccounted(stats: TapStats): void {
  const { seen, recorded, sampledOut, dropped, ignored, inFlight } = stats;
  const counts = [seen, recorded, sampledOut, inFlight, ...Object.values(dropped), ...Object.values(ignored)];
  expect(counts.every((count) => Number.isSafeInteger(count) && count >= 0)).toBe(true);
  expect({ ...stats, seen: recorded + sampledOut + sum(dropped) + sum(ignored) + inFlight }).toEqual(stats);
}

afterEach(() => {
  for (const tap of taps) expectAccounted(tap.stats());
});
