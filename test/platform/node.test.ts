import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { defer } from "../../src/platform/node.ts";

describe("defer", () => {
  it("calls back while the loop has nothing else to do", async () => {
    const timeUp = delay(2_000, "time is up");
    const turns = (async () => {
      for (let count = 0; count < 5; count += 1) await new Promise<void>((resolve) => defer(resolve));
      return "done";
    })();
    expect(await Promise.race([turns, timeUp])).toBe("done");
  });
});
