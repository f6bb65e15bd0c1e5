// Node as an npm package, kept in the user's cache.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { arch, homedir, platform } from "node:os";
import { join } from "node:path";
import process from "node:process";

export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "llm-tap", "node");

/** Who is short of time does not wait longer than this for a registry that does not answer. */
const DOWNLOAD_SECONDS = 60;

/** Of a download that was broken off a part may be there. */
const runs = (path) => existsSync(path) && spawnSync(path, ["--version"]).status === 0;

/** @returns `{ path }`, or `{ problem }` where there is no such Node */
export function findNode(version, seconds) {
  if (process.versions.node.startsWith(`${version}.`)) return { path: process.execPath };
  const name = `node-${platform() === "win32" ? "win" : platform()}-${arch()}`;
  const folder = join(CACHE, version);
  const path = join(folder, "node_modules", name, "bin", "node");
  if (runs(path)) return { path };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), "{}");
  const args = ["install", "--no-save", "--no-audit", "--no-fund", `${name}@${version}`];
  const timeout =
    seconds === undefined ? undefined : Math.ceil(Math.min(DOWNLOAD_SECONDS, Math.max(1, seconds)) * 1000);
  const { status } = spawnSync("npm", args, { cwd: folder, stdio: "inherit", timeout });
  if (status === 0 && runs(path)) return { path };
  return { problem: `Node ${version} could not be had as ${name}@${version}` };
}
