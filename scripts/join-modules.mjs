// Joins what `import "llm-tap"` loads into one file, and what the first call loads into another: to find, read and link
// sixty modules takes five times as long as to run them, and as much memory. Each module stays where it is, as a list of
// re-exports, so that there is one of each, whoever imports it.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const IMPORT = /^(?:import|export)\s[^"';]*?(?:from\s+)?"(\.[^"]+)";/gm;

/** All that is loaded with a module, but for `known`. */
function listModules(entry, known, found = new Set()) {
  const file = resolve(dist, entry);
  if (found.has(file) || known.has(file) || !existsSync(file)) return found;
  found.add(file);
  for (const [, specifier] of readFileSync(file, "utf8").matchAll(IMPORT)) {
    listModules(relative(dist, resolve(dirname(file), specifier)), known, found);
  }
  return found;
}

const isBare = (id) => !id.startsWith(".") && !id.startsWith("/");

async function join(name, entries, known) {
  const modules = new Set();
  for (const entry of entries) listModules(entry, known, modules);
  const bundle = await rolldown({
    input: Object.fromEntries([...modules].map((file) => [relative(dist, file).replace(/\.js$/, ""), file])),
    // Nothing of Node: where it runs, `#platform` says.
    platform: "neutral",
    treeshake: false,
    // `resolved` is the second call, with the whole path.
    external: (id, importer, resolved) => importer !== undefined && (isBare(id) || (resolved && !modules.has(id))),
    logLevel: "warn",
  });
  await bundle.write({
    dir: dist,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    codeSplitting: { groups: [{ name, test: (id) => modules.has(id) }] },
  });
  await bundle.close();
  // They told of lines that are elsewhere now.
  for (const file of modules) rmSync(`${file}.map`, { force: true });
  for (const file of modules) known.add(file);
}

/** What is joined already. */
const known = new Set();
await join("platform/node-platform", ["platform/node.js"], known);
await join("core", ["index.js"], known);
// Not the entry of the worker thread: it takes messages as soon as it is loaded.
await join("pipeline/reading-room", ["reading.js"], known);
