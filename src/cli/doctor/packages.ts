/** Packages that an app in a directory can reach, read from disk without loading any of them. */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

export interface FoundPackage {
  name: string;
  version: string;
  /** Its directory, as seen from where the search began. */
  path: string;
  directory: string;
  /** Names of what it depends on. */
  dependencies: readonly string[];
}

/** Directories of packages looked into for nested copies; of more, a part. */
const MAX_DIRECTORIES = 5_000;

/** The package that `import name` would give in `from`; `undefined` where there is none. */
export function findPackage(name: string, from: string): FoundPackage | undefined {
  for (const modules of listModuleDirectories(from)) {
    const found = readPackage(join(modules, name), from);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Every copy of a package below the `node_modules` that are in reach, the one that `import` gives first. */
export function findCopies(name: string, from: string): FoundPackage[] {
  const copies = new Map<string, FoundPackage>();
  const visited = new Set<string>();

  function add(directory: string): void {
    const found = readPackage(directory, from);
    const real = realPathOf(directory);
    if (found?.name === name && real !== undefined && !copies.has(real)) copies.set(real, found);
  }

  /** @returns the packages in it, unless they were seen: links of workspaces and of pnpm lead in circles */
  function enter(modules: string): string[] {
    const real = realPathOf(modules);
    if (real === undefined || visited.has(real) || visited.size >= MAX_DIRECTORIES) return [];
    visited.add(real);
    add(join(modules, name));
    // pnpm keeps all there is in one store.
    for (const stored of listDirectory(join(modules, ".pnpm"))) {
      if (stored.startsWith(`${name.replace("/", "+")}@`)) add(join(modules, ".pnpm", stored, "node_modules", name));
    }
    return listPackages(modules);
  }

  for (const modules of listModuleDirectories(from)) {
    const waiting = enter(modules);
    for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
      // A copy under another name (`npm:`) counts as well.
      if (mayBeAlias(directory, name)) add(directory);
      waiting.push(...enter(join(directory, "node_modules")));
    }
  }
  return [...copies.values()];
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function mayBeAlias(directory: string, name: string): boolean {
  const base = directory.split(sep).at(-1) ?? "";
  return base !== name && base.startsWith(name);
}

function listModuleDirectories(from: string): string[] {
  const list: string[] = [];
  for (let directory = from; ; directory = dirname(directory)) {
    if (!directory.endsWith(`${sep}node_modules`)) list.push(join(directory, "node_modules"));
    if (directory === dirname(directory)) return list;
  }
}

function listPackages(modules: string): string[] {
  return listDirectory(modules).flatMap((entry) => {
    if (entry.startsWith(".")) return [];
    const path = join(modules, entry);
    return entry.startsWith("@") ? listDirectory(path).map((scoped) => join(path, scoped)) : [path];
  });
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readPackage(directory: string, from: string): FoundPackage | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Record<string, unknown>;
    const { name, version, dependencies } = manifest;
    if (typeof name !== "string" || typeof version !== "string") return undefined;
    return {
      name,
      version,
      path: relative(from, directory),
      directory,
      dependencies: typeof dependencies === "object" && dependencies !== null ? Object.keys(dependencies) : [],
    };
  } catch {
    return undefined;
  }
}
