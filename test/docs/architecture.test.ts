/** What ARCHITECTURE.md says of imports is true. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "./pages.ts";

const source = join(root, "src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path, text: readFileSync(join(source, path), "utf8") }));

/** Which rooms, and files beside them, a room may import from. Types may come from `parsers` too, where it says so. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "types.ts": [],
  "abridged-text.ts": [],
  "known-messages.ts": ["types.ts"],
  "remember.ts": [],
  decode: ["types.ts", "abridged-text.ts", "known-messages.ts", "remember.ts", "platform"],
  providers: ["types.ts"],
  parsers: ["types.ts", "abridged-text.ts", "known-messages.ts", "decode", "providers"],
  enrich: ["types.ts", "abridged-text.ts", "known-messages.ts", "remember.ts", "parsers (types)"],
  // The exchange is where the two rooms meet: one fills it, the other empties it.
  pipeline: [
    "types.ts",
    "abridged-text.ts",
    "known-messages.ts",
    "decode",
    "parsers",
    "enrich",
    "platform",
    "providers",
    "interceptor",
    "background.ts (types)",
  ],
  interceptor: ["types.ts", "remember.ts", "providers", "context.ts", "platform", "parsers (types)"],
  sinks: ["types.ts", "errors.ts", "gen-ai-span.ts"],
};

/** Joins rooms on purpose, for recordings. */
const COMPOSITION_ROOTS: ReadonlySet<string> = new Set([
  "parsers/index.ts",
  "parsers/parse-exchange.ts",
  "parsers/assemble-recording.ts",
]);
const WITH_BUILT_INS = /^(?:(?:platform|sinks|testing|cli|outbox|inspector|register)\/|register\.ts$)/;
const KNOWS_THE_TAP = /^(?:index\.ts|register\.ts|amplitude-plugin\.ts|(?:register|cli)\/.*)$/;

interface Import {
  from: string;
  to: string;
  isType: boolean;
}

function listImports({ path, text }: { path: string; text: string }): Import[] {
  return [...text.matchAll(/^(?:import|export)\s([^"]*?)from\s+"(\.[^"]+|#platform)";/gm)].map(
    ([, what = "", to = ""]) => ({
      from: path,
      to: to === "#platform" ? "platform/node.ts" : posix.join(dirname(path), to),
      isType: what.startsWith("type "),
    }),
  );
}

const roomOf = (path: string): string => path.split("/")[0] ?? path;
const imports = files.flatMap(listImports);

describe("imports", () => {
  it.each(Object.entries(ALLOWED))("of %s go one way", (room, allowed) => {
    const wrong = imports.filter(({ from, to, isType }) => {
      const target = roomOf(to);
      if (roomOf(from) !== room || target === room || COMPOSITION_ROOTS.has(from)) return false;
      return !allowed.includes(target) && !(isType && allowed.includes(`${target} (types)`));
    });
    expect(wrong).toEqual([]);
  });

  it("of tap.ts are made by nobody but the entries", () => {
    const wrong = imports.filter(({ from, to }) => to === "tap.ts" && !KNOWS_THE_TAP.test(from));
    expect(wrong).toEqual([]);
  });
});

it("only the platform, and what is no core, names a Node built-in", () => {
  const wrong = files.filter(({ path, text }) => /from "node:|import\("node:/.test(text) && !WITH_BUILT_INS.test(path));
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

it("only response-body.ts reads, clones or tees a body of the app", () => {
  const wrong = files.filter(
    ({ path, text }) =>
      /\.(?:tee|clone|getReader)\(/.test(text) && path !== "interceptor/response-body.ts" && !path.startsWith("sinks/"),
  );
  expect(wrong.map(({ path }) => path)).toEqual([]);
});
