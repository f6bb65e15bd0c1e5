/** Real exchanges through the whole room, where the recordings are at hand. */
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { buildCall } from "../../src/enrich/build-call.ts";
import { createCostCalculator } from "../../src/enrich/cost.ts";
import type { CostCalculator } from "../../src/enrich/cost.ts";
import { readHeaderFacts } from "../../src/enrich/headers.ts";
import { applyPrivacy, toMetadata } from "../../src/enrich/privacy.ts";
import type { PrivacyPolicy } from "../../src/enrich/privacy.ts";
import { assembleRecording } from "../../src/parsers/assemble-recording.ts";
import { readRecording } from "../../src/parsers/read-recording.ts";
import type { LlmCall } from "../../src/types.ts";
import { stringLeaves } from "./complete-records.ts";

const recordings = new URL("../../../shared/traffic/exchanges.jsonl.gz", import.meta.url);
const skip = !existsSync(recordings);
if (skip) console.warn("recorded-traffic: skipped, there are no recordings beside the project");

/** Every how many of the recordings. */
const STEP = 5;
const AT = Date.UTC(2026, 5, 1);

const policy: PrivacyPolicy = {
  privacyMode: false,
  excludeInput: false,
  excludeOutput: false,
  captureMedia: false,
  maxContentLength: 100_000,
  redactPii: false,
  digest: (base64) => ({ bytes: base64.length, sha256: "ab".repeat(32) }),
};

interface Recording {
  id: string;
  request: { method?: string; url: string; headers?: Record<string, string>; body?: string; body_encoding?: string };
  response: { status: number; headers?: Record<string, string>; body?: string; body_base64?: string };
}

function toCall({ request, response }: Recording): LlmCall | undefined {
  const url = request.url.replace(/<[^>]*>/g, "us-east-1").replace(/^(?!https?:)[^/]*/, "http://placeholder.local");
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers ?? {})) {
    if (!/^content-(?:encoding|length)$/i.test(name)) headers[name.toLowerCase()] = value;
  }
  const recording = readRecording({
    request: {
      method: request.method ?? "POST",
      url,
      headers: request.headers ?? {},
      body: request.body_encoding === "base64" ? Buffer.from(request.body ?? "", "base64") : (request.body ?? null),
    },
    response: {
      status: response.status,
      headers,
      body: response.body_base64 === undefined ? (response.body ?? null) : Buffer.from(response.body_base64, "base64"),
    },
  });
  const parsed = assembleRecording(recording);
  if (parsed === undefined) return undefined;
  return buildCall({
    id: "019d5f00-0000-7000-8000-000000000001",
    via: "fetch",
    route: parsed.route,
    request: { method: "POST", url, host: new URL(url).host, bytes: 1, parsed: parsed.request, truncated: false },
    response: {
      status: response.status,
      bytes: 1,
      chunks: 1,
      streaming: parsed.streaming,
      headers: readHeaderFacts(headers, AT),
      parsed: parsed.response,
      truncated: parsed.responseTruncated,
    },
    timing: { startedAt: AT, durationMs: 100 },
    terminal: false,
    cancelled: false,
    context: {},
    notes: parsed.notes,
    tokenTracking: true,
    costTracking: true,
  });
}

describe.skipIf(skip)("recorded exchanges", () => {
  const calls: { id: string; call: LlmCall }[] = [];
  let costs: CostCalculator;

  beforeAll(async () => {
    costs = createCostCalculator();
    await costs.ready();
    const lines = gunzipSync(readFileSync(recordings)).toString().split("\n");
    for (let index = 0; index < lines.length; index += STEP) {
      const line = lines[index];
      if (line === undefined || line === "") continue;
      const recording = JSON.parse(line) as Recording;
      const call = toCall(recording);
      if (call !== undefined) calls.push({ id: recording.id, call });
    }
  }, 60_000);

  it("leave no sentence in a record with content off", () => {
    const sentences = calls.flatMap(({ id, call }) =>
      stringLeaves(applyPrivacy(call, { ...policy, privacyMode: true }))
        .filter(({ text }) => /\s/.test(text) && !text.endsWith("(content off)"))
        .map(({ path, text }) => ({ id, path, text })),
    );
    expect(calls.length).toBeGreaterThan(100);
    expect(sentences).toEqual([]);
  });

  it("cost the same with content off, and never less than nothing", () => {
    let known = 0;
    for (const { id, call } of calls) {
      const cost = costs.price(applyPrivacy(call, policy));
      expect([id, costs.price(toMetadata(call) as LlmCall)]).toEqual([id, cost]);
      if (cost === undefined) continue;
      known++;
      expect(cost.totalUsd).toBeGreaterThanOrEqual(0);
      expect(cost.totalUsd).toBeLessThan(5);
    }
    expect(known).toBeGreaterThan(50);
  });

  it("lose nothing with content on", () => {
    for (const { id, call } of calls) {
      const kept = applyPrivacy(call, policy);
      const roles = (messages: LlmCall["request"]["messages"]): unknown =>
        messages?.map(({ role, parts }) => [role, parts.length]);
      expect([id, roles(kept.request.messages)]).toEqual([id, roles(call.request.messages)]);
      expect([id, kept.usage]).toEqual([id, call.usage]);
    }
  });
});
