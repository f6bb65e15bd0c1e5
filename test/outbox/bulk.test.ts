/** Fifty thousand events while the server is down. */
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { listFiles } from "./helpers.ts";
import { buildWorkplace, runBulk, type Workplace } from "./program.ts";

const COUNT = 50_000;

let workplace: Workplace;
let amplitude: FakeAmplitude;
let dir = "";

beforeAll(async () => {
  workplace = await buildWorkplace();
  amplitude = await startFakeAmplitude({ limitRates: false });
  dir = fs.mkdtempSync(join(tmpdir(), "llm-tap-bulk-"));
}, 60_000);
afterAll(async () => {
  workplace.remove();
  await amplitude.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

it(
  "keeps 50,000 events on disk, not in memory, and the next process delivers each once",
  { timeout: 120_000 },
  async () => {
    await amplitude.setFault("refuse");
    const down = await runBulk(workplace, { dir, serverUrl: amplitude.url, count: COUNT, drain: false });
    expect(down.report).toEqual({ delivered: 0, pending: COUNT, dropped: 0, unknown: 0 });
    expect(down.heapMegabytes).toBeLessThan(40);

    await amplitude.setFault();
    const up = await runBulk(workplace, { dir, serverUrl: amplitude.url, count: 0, drain: true });
    expect(up.report).toEqual({ delivered: COUNT, pending: 0, dropped: 0, unknown: 0 });
    expect(up.heapMegabytes).toBeLessThan(40);
    expect(new Set(amplitude.events.map(({ insert_id }) => insert_id)).size).toBe(COUNT);
    expect(amplitude.events).toHaveLength(COUNT);
    console.log(
      `stored ${down.perSecond} events/s with ${down.heapMegabytes} MB, delivered ${up.perSecond} events/s with ${up.heapMegabytes} MB`,
    );
    expect(listFiles(dir).filter((file) => file.endsWith(".log"))).toHaveLength(0);
  },
);
