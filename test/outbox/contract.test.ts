import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { durable } from "../../src/outbox/index.ts";
import { amplitudeSink } from "../../src/sinks/amplitude.ts";
import { jsonlSink } from "../../src/sinks/jsonl.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { type FakeAmplitude, startFakeAmplitude } from "../../src/testing/fake-amplitude.ts";
import { testSink } from "../../src/testing/sink-contract.ts";
import type { TapRecord } from "../../src/types.ts";

let dir = "";
const makeDirectory = (): string => (dir = fs.mkdtempSync(join(tmpdir(), "llm-tap-outbox-contract-")));
const removeDirectory = (): void => fs.rmSync(dir, { recursive: true, force: true });

let memory = memorySink();
testSink(
  {
    name: "durable(memory)",
    create() {
      memory = memorySink();
      return durable(memory, { dir: makeDirectory() });
    },
    received: () => memory.records.map(({ id }) => id),
    destroy: removeDirectory,
  },
  { describe, it, expect },
);

testSink(
  {
    name: "durable(memory) with fsync and small files",
    create() {
      memory = memorySink();
      return durable(memory, { dir: makeDirectory(), fsync: true, maxBytes: 64 << 20 });
    },
    received: () => memory.records.map(({ id }) => id),
    destroy: removeDirectory,
  },
  { describe, it, expect },
);

testSink(
  {
    name: "durable(jsonl)",
    create: () => durable(jsonlSink({ path: join(makeDirectory(), "calls.jsonl") }), { dir: join(dir, "outbox") }),
    received: () =>
      fs.existsSync(join(dir, "calls.jsonl"))
        ? fs
            .readFileSync(join(dir, "calls.jsonl"), "utf8")
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => (JSON.parse(line) as TapRecord).id)
        : [],
    destroy: removeDirectory,
  },
  { describe, it, expect },
);

let amplitude: FakeAmplitude;
testSink(
  {
    name: "durable(amplitude)",
    async create() {
      amplitude = await startFakeAmplitude();
      return durable(amplitudeSink({ apiKey: "key", serverUrl: amplitude.url }), { dir: makeDirectory() });
    },
    received: () => amplitude.events.map((event) => String(event.insert_id).split(":")[0] as string),
    hang: () => amplitude.setFault("hang"),
    async destroy() {
      await amplitude.close();
      removeDirectory();
    },
  },
  { describe, it, expect },
);

testSink(
  {
    name: "durable(memory) without a disk",
    create() {
      memory = memorySink();
      // A file where the directory would have to be.
      fs.writeFileSync(join(makeDirectory(), "outbox"), "");
      const { report: _report, ...sink } = durable(memory, { dir: join(dir, "outbox"), onWarning: () => undefined });
      return sink;
    },
    received: () => memory.records.map(({ id }) => id),
    destroy: removeDirectory,
  },
  { describe, it, expect },
);
