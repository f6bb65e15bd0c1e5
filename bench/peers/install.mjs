/** Installs the peers into the user's cache, outside of the tree: nothing of theirs is a dependency of ours. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { PACKAGES } from "./packages.mjs";

const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "llm-tap", "peers");

/** Imports by name from where the packages are: names resolve from the module that imports them. */
const LOADER = "export const load = (name) => import(name);\n";

/** @returns a module that can import them */
export function installPeers() {
  const manifest = `${JSON.stringify({ private: true, type: "module", dependencies: PACKAGES }, undefined, 2)}\n`;
  const manifestFile = join(folder, "package.json");
  const doneFile = join(folder, "installed");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "load.mjs"), LOADER);
  const isDone = existsSync(doneFile) && existsSync(manifestFile) && readFileSync(doneFile, "utf8") === manifest;
  if (!isDone) {
    console.log(`Installing the peers into ${folder}`);
    writeFileSync(manifestFile, manifest);
    const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], {
      cwd: folder,
      stdio: "inherit",
    });
    if (status !== 0) throw new Error("the peers could not be installed");
    writeFileSync(doneFile, manifest);
  }
  return pathToFileURL(join(folder, "load.mjs")).href;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(fileURLToPath(installPeers()));
}
