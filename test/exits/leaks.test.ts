/** The short form of `npm run test:leaks`: what is left of calls is what is left of them without a tap. */
import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const script = fileURLToPath(new URL("../../scripts/leaks.mjs", import.meta.url));

it.concurrent.each(["bare,tap.install()", "bare dispatcher,wrapped foreign fetch"])(
  "%s: nothing stays behind",
  { timeout: 120_000, retry: 1 },
  async (ways) => {
    const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve) => {
      const args = [script, "--calls", "150", "--unread", "20", "--ways", ways];
      const child = execFile(process.execPath, args, (_error, stdout, stderr) => {
        resolve({ code: child.exitCode, output: stdout + stderr });
      });
    });
    expect(output).toMatch(/nothing is left of 150 calls/);
    expect(code).toBe(0);
  },
);
