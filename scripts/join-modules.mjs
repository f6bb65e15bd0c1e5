// Joins what `import "llm-tap"` loads into one file, and what the first call loads into a few: to find, read and link
// sixty modules takes five times as long as to run them, and as much memory. Each module stays where it is, as a list of
// re-exports, so that there is one of each, whoever imports it.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
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

/** Modules that are re-exports of one joined file, under the same names: who imports one may as well import that file. */
const homes = new Map();

const STUB = /^(?:import "#platform";\n)?export \{ ([\w$, ]+) \} from "(\.[^"]+)";\s*$/;

function noteHome(file) {
  const [, names, target] = STUB.exec(readFileSync(file, "utf8")) ?? [];
  if (target !== undefined && !names.includes(" as ")) homes.set(file, resolve(dirname(file), target));
}

/** One file less to find, read and link. */
const goHome = {
  name: "go-home",
  resolveId(specifier, importer) {
    const id = importer !== undefined && specifier.startsWith(".") && homes.get(resolve(dirname(importer), specifier));
    return id ? { id, external: true } : null;
  },
};

const isBare = (id) => !id.startsWith(".") && !id.startsWith("/");

/** @param nameOf which file a module goes to, by its path in `dist` */
async function join(nameOf, entries, known) {
  const modules = new Set();
  for (const entry of entries) listModules(entry, known, modules);
  const bundle = await rolldown({
    input: Object.fromEntries([...modules].map((file) => [relative(dist, file).replace(/\.js$/, ""), file])),
    plugins: [goHome],
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
    // Whoever imports a module that is joined may import the joined file.
    minifyInternalExports: false,
    codeSplitting: {
      groups: [{ debugName: entries[0], name: (id) => (modules.has(id) ? nameOf(relative(dist, id)) : null) }],
    },
  });
  await bundle.close();
  for (const file of new Set([...modules].map((id) => nameOf(relative(dist, id))))) keepToAscii(`${dist}/${file}.js`);
  // They told of lines that are elsewhere now.
  for (const file of modules) rmSync(`${file}.map`, { force: true });
  for (const file of modules) {
    known.add(file);
    noteHome(file);
  }
}

/** One character beyond Latin-1, in a comment, makes V8 keep the whole file with two bytes for each character. */
function keepToAscii(file) {
  const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  writeFileSync(file, readFileSync(file, "utf8").replaceAll(/[^\0-\x7f]/g, escape));
}

/** Each is loaded in a turn of the event loop of its own, so that none of them is long. */
function chooseReadingFile(path) {
  const part = READING_FILES.find(([pattern]) => pattern.test(path));
  return `pipeline/reading-${part?.[1] ?? "room"}`;
}

const READING_FILES = [
  [/^(?:decode|parsers\/shared)\//, "decode"],
  [/^parsers\/(?:openai|anthropic|parser\b)/, "parsers"],
  [/^parsers\/(?:bedrock|gemini|vertex|vercel|cohere|rerank)/, "parsers-2"],
  [/^parsers\/(?!table)/, "parsers-3"],
  [/^enrich\/(?:link|fingerprint|history|unique-id|tool-span|price|cost)/, "link"],
  [/^enrich\//, "enrich"],
];

/** What is joined already. */
const known = new Set();
await join(() => "platform/joined", ["platform/node.js"], known);
// `#platform` names `node.js`, with or without this script: so that is the joined file.
renameSync(`${dist}/platform/joined.js`, `${dist}/platform/node.js`);
for (const file of known) {
  homes.set(file, `${dist}/platform/node.js`);
  if (!file.endsWith("/node.js")) writeFileSync(file, readFileSync(file, "utf8").replace("./joined.js", "./node.js"));
}
await join(() => "core", ["index.js"], known);
// To be looked for beside the core, not once that was read.
const index = resolve(dist, "index.js");
writeFileSync(index, `import "#platform";\n${readFileSync(index, "utf8")}`);
// Not the entry of the worker thread: it takes messages as soon as it is loaded.
await join(chooseReadingFile, ["reading.js"], known);
