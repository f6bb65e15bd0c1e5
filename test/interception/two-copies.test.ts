/** Two copies of the built package in one process, one imported and one required: they know each other's calls. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(realpathSync(tmpdir()), "llm-tap-copies-"));
  for (const app of ["one", "two"]) {
    const home = join(directory, app, "node_modules", "llm-tap");
    mkdirSync(home, { recursive: true });
    cpSync(join(root, "package.json"), join(home, "package.json"));
    cpSync(join(root, "dist"), join(home, "dist"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(home, "node_modules"));
    symlinkSync(join(root, "node_modules", "undici"), join(directory, app, "node_modules", "undici"));
  }
  writeFileSync(join(directory, "one", "app.mjs"), APP);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const APP = `
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import { Agent, getGlobalDispatcher, request } from "undici";

const other = createRequire(new URL("../two/app.cjs", import.meta.url))("llm-tap");
if (other.createTap === createTap) throw new Error("there is only one copy");
const server = createServer((incoming, response) => {
  incoming.resume().on("end", () => response.setHeader("content-type", "application/json").end("{}"));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = "http://127.0.0.1:" + server.address().port;
const url = origin + "/v1/chat/completions";
const post = { method: "POST", headers: { "content-type": "application/json" }, body: '{"model":"m","messages":[]}' };
const hosts = { [origin]: { provider: "openai" } };
const originalFetch = globalThis.fetch;

const scenes = {
  async "fetch around fetch"([one, two]) {
    await (await one.wrapFetch(two.fetch)(url, post)).text();
  },
  async "both installed"([one, two]) {
    const restores = [one.install(), two.install()];
    await (await fetch(url, post)).text();
    restores[0]();
    restores[1]();
  },
  async "both installed, request"([one, two]) {
    const restores = [one.install(), two.install()];
    await (await request(url, post)).body.text();
    restores[1]();
    restores[0]();
  },
  async "both installed, a Request"([one, two]) {
    const restores = [one.install(), two.install()];
    await (await fetch(new Request(url, post))).text();
    for (const restore of restores) restore();
  },
  async "fetch over the other's install"([one, two]) {
    const restore = two.install();
    await (await one.fetch(url, post)).text();
    restore();
  },
  async "both interceptors"([one, two]) {
    const dispatcher = new Agent().compose(one.interceptor, two.interceptor);
    await (await request(url, { ...post, dispatcher })).body.text();
    await dispatcher.close();
  },
};

const report = {};
for (const [name, run] of Object.entries(scenes)) {
  const sinks = [memorySink(), memorySink()];
  const taps = [createTap({ sinks: [sinks[0]], hosts }), other.createTap({ sinks: [sinks[1]], hosts })];
  await run(taps);
  for (const tap of taps) await tap.close();
  const ids = sinks.map(({ calls }) => calls.map(({ id }) => id));
  report[name] = {
    counts: ids.map((each) => each.length),
    haveOneId: new Set(ids.flat()).size === 1,
    isLeftAsItWas: globalThis.fetch === originalFetch && !Object.hasOwn(getGlobalDispatcher(), "dispatch"),
  };
}
process.stdout.write(JSON.stringify(report));
server.close();
server.closeAllConnections();
`;

it("each has its record of a call, with one id, and leaves nothing behind", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(directory, "one", "app.mjs")]);
  const report = JSON.parse(stdout) as Record<string, object>;
  expect(stderr.replaceAll(/^\(node:\d+\) ExperimentalWarning.*\n(?:\(Use .*\n)?/gm, "")).toBe("");
  expect(Object.keys(report)).toHaveLength(6);
  for (const [name, seen] of Object.entries(report)) {
    expect({ name, ...seen }).toEqual({ name, counts: [1, 1], haveOneId: true, isLeftAsItWas: true });
  }
});
