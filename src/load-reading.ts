/**
 * Loads `reading.ts`, which is most of the code, behind the first call: one module after the other, each in a turn of
 * its own, and synchronously, because half of an `import()` would be of no use when the process ends meanwhile.
 */
import { defer, loadSync } from "#platform";
import { DEFAULT_OPERATIONS } from "./providers/paths.ts";

type ReadingRoom = typeof import("./reading.ts");

/** Modules that bring most of the others with them; `reading` brings the rest. */
const STEPS: readonly string[] = [
  "decode/framing",
  "decode/content-encoding",
  "enrich/privacy",
  "enrich/build-call",
  ...Object.keys(DEFAULT_OPERATIONS).map((api) => `parsers/${api}`),
];

/** @throws where modules can't be loaded synchronously: from sources, out of a bundle, on other runtimes */
export function loadReadingNow(): ReadingRoom {
  return load("reading") as ReadingRoom;
}

export async function loadReading(): Promise<ReadingRoom> {
  try {
    for (const step of STEPS) {
      load(step);
      await new Promise<void>(defer);
    }
    return loadReadingNow();
  } catch {
    return import("./reading.ts");
  }
}

function load(name: string): unknown {
  if (!import.meta.url.endsWith(".js")) throw new Error("these are sources");
  return loadSync(new URL(`./${name}.js`, import.meta.url));
}
