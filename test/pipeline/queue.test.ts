import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { noteEnd } from "../../src/interceptor/exchange.ts";
import { createJob, type Job } from "../../src/pipeline/exchange-job.ts";
import { createQueue, type MakeJob, type Queue } from "../../src/pipeline/queue.ts";
import type { Exchange } from "../../src/types.ts";
import { addBody, makeAnswer, makeExchange, startExchange } from "./exchanges.ts";

const limits = { exchangeBytes: 1_000_000, queueBytes: 10_000_000, queueExchanges: 100, conversationBytes: 0 };

function collect(options: { limits?: typeof limits } = {}): {
  queue: Queue;
  done: Exchange[];
  failed: unknown[];
  dropped: string[];
} {
  const done: Exchange[] = [];
  const failed: unknown[] = [];
  const dropped: string[] = [];
  const queue = createQueue({
    limits: options.limits ?? limits,
    onAssembled: (exchange) => done.push(exchange),
    onFailed: (_exchange, error) => failed.push(error),
    onContentDropped: (cause) => dropped.push(cause),
  });
  return { queue, done, failed, dropped };
}

const realJob: MakeJob = (exchange) =>
  createJob(exchange, { exchangeBytes: limits.exchangeBytes, hasCallShape: () => true });

/** Takes `turns` slices of a millisecond. */
function slowJob(exchange: Exchange, turns: number, log: Exchange[]): Job {
  let left = turns;
  return {
    exchange,
    busy: undefined,
    work(isTimeUp) {
      log.push(exchange);
      while (!isTimeUp());
      left -= 1;
      return left > 0;
    },
    workNow() {},
    isDrained: () => left <= 0,
    countHeld: () => 0,
    shrink: () => false,
    finish: () => undefined,
  };
}

describe("the queue", () => {
  it("reads nothing before it is opened, and everything afterwards", async () => {
    const { queue, done } = collect();
    const exchange = makeExchange();
    queue.admit(exchange);
    queue.touch(exchange);
    await delay(30);
    expect(done).toEqual([]);
    queue.open(realJob);
    await queue.drain();
    expect(done).toEqual([exchange]);
    expect(queue.size).toBe(0);
    expect(queue.bytes).toBe(0);
  });

  it("has no room beyond its number of exchanges", () => {
    const { queue } = collect({ limits: { ...limits, queueExchanges: 2 } });
    expect([startExchange(), startExchange(), startExchange()].map(queue.admit)).toEqual([true, true, false]);
  });

  it("gives each exchange its turn", async () => {
    const { queue } = collect();
    const log: Exchange[] = [];
    queue.open((exchange) => slowJob(exchange, 3, log));
    const [first, second] = [makeExchange(), makeExchange()];
    for (const exchange of [first, second]) {
      queue.admit(exchange);
      queue.touch(exchange);
    }
    await queue.drain();
    expect(log).toEqual([first, second, first, second, first, second]);
  });

  it("lets the app run between its slices", async () => {
    const { queue } = collect();
    const log: Exchange[] = [];
    queue.open((exchange) => slowJob(exchange, 10, log));
    const exchange = makeExchange();
    queue.admit(exchange);
    queue.touch(exchange);
    const seen = new Set<number>();
    while (queue.size > 0) {
      seen.add(log.length);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    // No more than two in a turn of the loop: before it looks for what has come in, and after.
    expect(seen.size).toBeGreaterThanOrEqual(5);
  });

  it.each<[string, Partial<typeof limits>, number]>([
    ["calls", { queueExchanges: 80, conversationBytes: 0 }, 0],
    ["bytes", { queueExchanges: 1_000, queueBytes: 400_000 }, 1_000],
  ])(
    "keeps up in a loop whose every turn brings more than two slices hold, with its share of the room for %s taken",
    async (_, room, size) => {
      const { queue, done } = collect({ limits: { ...limits, ...room } });
      const log: Exchange[] = [];
      queue.open((exchange) => slowJob(exchange, 1, log));
      let most = 0;
      for (let turn = 0; turn < 40; turn += 1) {
        // Each call ends in a callback of its own, as those of sockets do.
        await Promise.all(
          Array.from(
            { length: 6 },
            () =>
              new Promise<void>((resolve) => {
                setImmediate(() => {
                  const exchange = makeExchange();
                  exchange.pendingBytes = size;
                  queue.admit(exchange);
                  queue.touch(exchange);
                  resolve();
                });
              }),
          ),
        );
        most = Math.max(most, queue.size);
      }
      await queue.drain();
      expect(done).toHaveLength(240);
      // With slices alone it would be 160.
      expect(most).toBeGreaterThan(30);
      expect(most).toBeLessThan(70);
    },
  );

  it("goes on when a job throws", async () => {
    const { queue, done, failed } = collect();
    const [bad, good] = [makeExchange(), makeExchange()];
    queue.open((exchange) => {
      const job = realJob(exchange);
      if (exchange === bad) {
        job.work = () => {
          throw new Error("broken");
        };
      }
      return job;
    });
    for (const exchange of [bad, good]) {
      queue.admit(exchange);
      queue.touch(exchange);
    }
    await queue.drain();
    expect(failed).toEqual([expect.objectContaining({ message: "broken" })]);
    expect(done).toEqual([good]);
  });

  it("waits in drain for what is under way elsewhere", async () => {
    const { queue, done } = collect();
    queue.open((exchange) => {
      const job = slowJob(exchange, 1, []);
      let isDone = false;
      job.work = () => {
        if (!isDone) {
          job.busy = delay(20).then(() => {
            isDone = true;
            job.busy = undefined;
          });
        }
        return false;
      };
      job.isDrained = () => isDone;
      return job;
    });
    const exchange = makeExchange();
    queue.admit(exchange);
    queue.touch(exchange);
    await queue.drain();
    expect(done).toEqual([exchange]);
  });

  it("ends what runs when there is no more time", () => {
    const { queue, done } = collect();
    queue.open(realJob);
    const exchange = startExchange();
    queue.admit(exchange);
    addBody(exchange, makeAnswer().slice(0, 100));
    queue.drainSync((running) => noteEnd(running, true));
    expect(done).toEqual([exchange]);
    expect(queue.listRunning()).toEqual([]);
  });

  it("keeps the ends of bodies when all together are too much, also before it is opened", async () => {
    const { queue, dropped } = collect({ limits: { ...limits, queueBytes: 500_000 } });
    for (let count = 0; count < 20; count += 1) {
      const exchange = startExchange();
      queue.admit(exchange);
      addBody(exchange, makeAnswer("x".repeat(100_000)));
      queue.touch(exchange);
    }
    await delay(40);
    expect(queue.bytes).toBeLessThan(20 * 41_000 + 500_000);
    expect(dropped.length).toBeGreaterThanOrEqual(15);
    expect(new Set(dropped)).toEqual(new Set(["queue_bytes"]));
  });
});
