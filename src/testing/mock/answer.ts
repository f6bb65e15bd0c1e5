/** Fills a scripted reply up with what the seed gives. */
import { asArray, asObject, asString, isObject } from "../../parsers/shared/json.ts";
import { between, cutText, makeId, makeText, pick, seededRandom } from "./random.ts";
import type { MockAnswer, MockReply, MockRequest, MockToolCall, MockUsage } from "./types.ts";

export function makeAnswer(reply: MockReply, request: MockRequest, seed: number): MockAnswer {
  const random = seededRandom(reply.seed ?? seed);
  const toolCalls = reply.toolCalls ?? (reply.text === undefined ? callRequestedTools(random, request.body) : []);
  const text =
    reply.text ?? (toolCalls.length > 0 || reply.refusal !== undefined ? "" : makeText(random, between(random, 8, 60)));
  const requestModel = asString(request.body["model"]) ?? request.pathModel ?? "unnamed-model";
  const pieces = reply.pieces ?? between(random, 4, 16);
  return {
    id: (prefix) => prefix + makeId(random),
    text,
    reasoning: reply.reasoning ?? "",
    refusal: reply.refusal ?? "",
    toolCalls,
    usage: makeUsage(random, reply),
    finish: reply.finish ?? (toolCalls.length > 0 ? "tool_calls" : "stop"),
    model: reply.model ?? requestModel,
    requestModel,
    dimensions: reply.dimensions ?? between(random, 8, 64),
    cut: (whole) => cutText(random, whole, pieces),
    random,
  };
}

function makeUsage(random: () => number, reply: MockReply): MockUsage {
  const scripted = reply.usage ?? {};
  const inputTokens = scripted.inputTokens ?? between(random, 40, 4_000);
  const reasoningTokens = scripted.reasoningTokens ?? (reply.reasoning === undefined ? 0 : between(random, 5, 300));
  const cacheReadTokens = scripted.cacheReadTokens ?? between(random, 0, Math.floor(inputTokens / 2));
  return {
    inputTokens,
    outputTokens: scripted.outputTokens ?? reasoningTokens + between(random, 5, 900),
    cacheReadTokens,
    cacheWriteTokens: scripted.cacheWriteTokens ?? between(random, 0, Math.floor((inputTokens - cacheReadTokens) / 2)),
    reasoningTokens,
  };
}

/** Calls one or two of the tools that the request declares, unless it already brings a result. */
function callRequestedTools(random: () => number, body: Record<string, unknown>): MockToolCall[] {
  const tools = readTools(body);
  if (tools.length === 0 || bringsToolResult(body)) return [];
  const count = Math.min(tools.length, between(random, 1, 2));
  return tools.slice(0, count).map((tool) => ({ name: tool.name, arguments: fillSchema(random, tool.schema) }));
}

interface DeclaredTool {
  name: string;
  schema: unknown;
}

/** Tools of all dialects: nested under `function`, flat, or in `functionDeclarations`. */
function readTools(body: Record<string, unknown>): DeclaredTool[] {
  const found: DeclaredTool[] = [];
  for (const tool of asArray(body["tools"])) {
    if (!isObject(tool)) continue;
    for (const entry of [tool["function"], tool, ...asArray(tool["functionDeclarations"])]) {
      const name = asString(asObject(entry)?.["name"]);
      if (name === undefined || !isObject(entry)) continue;
      found.push({ name, schema: entry["parameters"] ?? entry["input_schema"] ?? entry["parametersJsonSchema"] });
    }
  }
  return found;
}

function bringsToolResult(body: Record<string, unknown>): boolean {
  const turns = [...asArray(body["messages"]), ...asArray(body["input"]), ...asArray(body["contents"])];
  const last = JSON.stringify(turns.at(-1) ?? "");
  return /"role":"tool"|"type":"(tool_result|function_call_output)"|"functionResponse"/.test(last);
}

function fillSchema(random: () => number, schema: unknown): Record<string, unknown> {
  const filled: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(asObject(asObject(schema)?.["properties"]) ?? {})) {
    filled[name] = fillProperty(random, asObject(property) ?? {});
  }
  return filled;
}

function fillProperty(random: () => number, property: Record<string, unknown>): unknown {
  const choices = asArray(property["enum"]);
  if (choices.length > 0) return pick(random, choices);
  const kind = String(property["type"]).toLowerCase();
  if (kind === "number" || kind === "integer") return between(random, 1, 99);
  if (kind === "boolean") return random() < 0.5;
  if (kind === "array") return [];
  if (kind === "object") return fillSchema(random, property);
  return makeText(random, 2);
}
