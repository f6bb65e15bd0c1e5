/** The short form of `npm run soak`: mixed traffic with faults and aborts, and all of it accounted for. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe.runIf(existsSync(`${root}/dist/index.js`))("the soak", () => {
  it("accounts for every call, and leaves no handle, socket or listener behind", async () => {
    const { code, output } = await run(["--expose-gc", "scripts/soak.mjs", "--seconds", "10"]);
    expect(output).toContain("All accounted for; nothing is left.");
    expect(code).toBe(0);
  }, 180_000);
});

function run(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("close", (code) => resolve({ code, output }));
  });
}
