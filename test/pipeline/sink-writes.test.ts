import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Background, RunInBackground } from "../../src/background.ts";
import { createSinkWrites } from "../../src/pipeline/sink-writes.ts";

function start(mayNeedIt = true) {
  const how: string[] = [];
  const as =
    (name: string): RunInBackground =>
    (run) => {
      how.push(name);
      return run();
    };
  const background: Background = { run: as("followed"), runBriefly: as("brief"), fetch, close() {} };
  return { writes: createSinkWrites(background, mayNeedIt), how };
}

/** Many promises, one after the other, and nothing that the event loop has to bring. */
async function prompt(): Promise<void> {
  for (let count = 0; count < 50; count += 1) await Promise.resolve();
}
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("writes of a sink", () => {
  it("are followed until one was done without waiting for anything", async () => {
    const { writes, how } = start();
    expect(writes.arePrompt).toBe(false);
    await writes.run(prompt);
    await nextTurn();
    expect(writes.arePrompt).toBe(true);
    await writes.run(prompt);
    expect(how).toEqual(["followed", "brief"]);
  });

  it("are followed again, for good, from the first that waits", async () => {
    const { writes, how } = start();
    await writes.run(prompt);
    await nextTurn();
    await writes.run(() => delay(1));
    expect(writes.arePrompt).toBe(false);
    for (let count = 0; count < 2; count += 1) {
      await writes.run(prompt);
      await nextTurn();
    }
    expect(writes.arePrompt).toBe(false);
    expect(how).toEqual(["followed", "brief", "followed", "followed"]);
  });

  it.each([
    ["a timer", () => delay(0)],
    ["the next turn", nextTurn],
  ])("wait when they wait for %s", async (_name, write) => {
    const { writes } = start();
    await writes.run(prompt);
    await nextTurn();
    // As a timer of the delivery does it.
    await new Promise<void>((resolve) => setTimeout(() => void writes.run(write).then(resolve), 1));
    await nextTurn();
    expect(writes.arePrompt).toBe(false);
  });

  it("that never end are no prompt ones", async () => {
    const { writes } = start();
    await writes.run(prompt);
    await nextTurn();
    void writes.run(() => new Promise<void>(() => {}));
    await nextTurn();
    expect(writes.arePrompt).toBe(false);
  });

  it("that throw are prompt ones, and throw", async () => {
    const { writes } = start();
    await expect(
      writes.run(() => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    await nextTurn();
    expect(writes.arePrompt).toBe(true);
  });

  it("of a sink that needs no following may wait all the same", async () => {
    const { writes, how } = start(false);
    await writes.run(() => delay(1));
    await writes.run(prompt);
    await nextTurn();
    expect(how).toEqual(["brief", "brief"]);
    expect(writes.arePrompt).toBe(false);
  });
});
