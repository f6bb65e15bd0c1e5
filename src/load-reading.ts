/**
 * Loads `reading.ts`, which is most of the code, behind the first call: one file after the other, each in a turn of
 * its own, and synchronously, because half of an `import()` would be of no use when the process ends meanwhile.
 */
import { defer, loadSync } from "#platform";

type ReadingRoom = typeof import("./reading.ts");

/** One of each file that the build has joined modules to (`scripts/join-modules.mjs`); `reading` brings the last. */
const STEPS: readonly string[] = [
  "decode/framing",
  "enrich/privacy",
  "enrich/link",
  "parsers/openai-chat",
  "parsers/gemini",
  "parsers/ollama",
];

/** @throws where modules can't be loaded synchronously: from sources, out of a bundle, on other runtimes */
export function loadReadingNow(): ReadingRoom {
  return load("reading") as ReadingRoom;
}

/** @throws where `loadReadingNow` does */
export function loadPricesNow(): typeof import("./enrich/price-source.ts") {
  return load("enrich/price-source") as typeof import("./enrich/price-source.ts");
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
