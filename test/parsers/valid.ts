/** What has to hold for anything that a parser returns, however bad its input was. */
import { expect } from "vitest";
import type { ParsedRequest, ParsedResponse } from "../../src/parsers/parser.ts";
import type { Message, Part, Usage } from "../../src/types.ts";

const finishReasons = ["stop", "length", "tool_calls", "content_filter", "error", "other"];
const modalities = ["image", "audio", "video", "document"];
const usageSources = ["reported", "estimated", "missing", "not_applicable"];
const textTypes: ReadonlySet<string> = new Set(["text", "reasoning", "refusal"]);

export function expectValidRequest(request: ParsedRequest): void {
  expectName(request.model, "model");
  expect(request.parameters).toBeTypeOf("object");
  for (const value of Object.values(request.parameters))
    expect(value ?? null, "a parameter that is null").not.toBeNull();
  for (const part of request.system ?? []) expectValidPart(part);
  for (const message of request.messages ?? []) expectValidMessage(message);
  for (const tool of request.tools ?? []) expectName(tool.type, "tool type", true);
  if (request.stream !== undefined) expect(request.stream).toBeTypeOf("boolean");
}

export function expectValidResponse(response: ParsedResponse): void {
  for (const key of ["id", "model", "serviceTier", "upstreamProvider", "jobId"] as const)
    expectName(response[key], key);
  const indexes = response.choices.map((choice) => choice.index);
  expect(indexes, "choices in order of index").toEqual([...new Set(indexes)].sort((a, b) => a - b));
  for (const choice of response.choices) {
    expect(Number.isSafeInteger(choice.index) && choice.index >= 0, `index ${choice.index}`).toBe(true);
    expectValidMessage(choice.message);
    expectName(choice.rawFinishReason, "rawFinishReason");
    if (choice.finishReason !== undefined) expect(finishReasons).toContain(choice.finishReason);
  }
  expectValidUsage(response.usage);
  expectCount(response.embeddings?.count, "embeddings.count");
  expectCount(response.embeddings?.dimensions, "embeddings.dimensions");
  expectCount(response.reportedCostUsd, "reportedCostUsd");
  expectCount(response.processingMs, "processingMs");
  if (response.error !== undefined) {
    expectName(response.error.message, "error.message", true);
    expectName(response.error.type, "error.type");
    expectName(response.error.code, "error.code");
  }
  expect(response.finished).toBeTypeOf("boolean");
  for (const note of response.notes) expectName(note, "note", true);
  // Later stages write it as JSON: nothing may be cyclic or nested too deep for that.
  expect(JSON.stringify(response)).toBeTypeOf("string");
}

function expectValidMessage(message: Message): void {
  expectName(message.role, "role", true);
  expectName(message.name, "name");
  for (const part of message.parts) expectValidPart(part);
}

function expectValidPart(part: Part): void {
  if (textTypes.has(part.type)) {
    expect((part as { content: unknown }).content).toBeTypeOf("string");
    return;
  }
  if ("id" in part) expectName(part.id, "part id");
  if ("modality" in part && part.modality !== undefined) expect(modalities).toContain(part.modality);
  switch (part.type) {
    case "tool_call":
    case "server_tool_call":
      expect(part.name).toBeTypeOf("string");
      break;
    case "blob":
      expectCount(part.bytes, "bytes");
      if (part.content !== undefined) expect(part.content).toBeTypeOf("string");
      break;
    case "uri":
      expect(part.uri).toBeTypeOf("string");
      break;
    case "other":
      expectName(part.kind, "kind", true);
      break;
    case "file":
    case "tool_call_response":
    case "server_tool_call_response":
      break;
    default:
      expect.fail(`unknown part type ${part.type}`);
  }
}

export function expectValidUsage(usage: Usage): void {
  expect(usageSources).toContain(usage.source);
  expect(usage.missingReason !== undefined, `missingReason beside ${usage.source}`).toBe(usage.source === "missing");
  expect(usage.complete).toBeTypeOf("boolean");
  for (const [key, value] of Object.entries(usage)) {
    if (["source", "missingReason", "complete", "inconsistent", "raw"].includes(key)) continue;
    if (key === "serverToolUses") for (const uses of Object.values(value as object)) expectCount(uses, key);
    else expectCount(value, key);
  }
}

/** Absent is `undefined`, never `null` or `""`. */
function expectName(value: unknown, what: string, required = false): void {
  if (value === undefined && !required) return;
  expect(value, what).toBeTypeOf("string");
  expect(value, what).not.toBe("");
}

function expectCount(value: unknown, what: string): void {
  if (value === undefined) return;
  expect(Number.isFinite(value) && (value as number) >= 0, `${what}: ${JSON.stringify(value)}`).toBe(true);
}
