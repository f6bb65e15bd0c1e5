/**
 * What `import "llm-tap"` costs: time and resident memory, each in a process of its own, over that of a module with
 * nothing in it.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { median, spread } from "./shared/statistics.mjs";

const MEASURE = `
  const name = process.argv[1];
  await import("data:text/javascript,export default 0");
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const started = performance.now();
  await import(name);
  const ms = performance.now() - started;
  console.log(JSON.stringify({ ms, mb: (process.memoryUsage().rss - before) / 1e6 }));
`;

function measureOnce(name) {
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", MEASURE, name], {
    encoding: "utf8",
    cwd: new URL("..", import.meta.url),
  });
  return JSON.parse(child.stdout);
}

export function measureImport({ rounds = 15 } = {}) {
  const names = { nothing: "data:text/javascript,export default 1", tap: "llm-tap" };
  const results = { nothing: [], tap: [] };
  for (let turn = 0; turn < rounds; turn += 1) {
    for (const name of Object.keys(names)) results[name].push(measureOnce(names[name]));
  }
  const of = (name, field) => results[name].map((result) => result[field]);
  return {
    ms: median(of("tap", "ms")) - median(of("nothing", "ms")),
    msNoise: spread(of("nothing", "ms")) + spread(of("tap", "ms")),
    mb: median(of("tap", "mb")) - median(of("nothing", "mb")),
    mbNoise: spread(of("nothing", "mb")) + spread(of("tap", "mb")),
  };
}

if (import.meta.url === new URL(process.argv[1] ?? "", "file:").href) console.log(measureImport());
