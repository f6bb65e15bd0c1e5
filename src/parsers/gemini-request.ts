/** Requests of the Gemini API and Vertex AI: generation, counting, embeddings. */
import { readField, readGeminiContent, readGeminiContents, readGeminiTools } from "./gemini-content.ts";
import type { KnownMessages } from "../known-messages.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { asArray, asLabel, asObject, compact } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createMessage } from "./shared/message-parts.ts";
import { readSettings } from "./shared/settings.ts";

const contentKeys: ReadonlySet<string> = new Set([
  "model",
  "contents",
  "content",
  "requests",
  "systemInstruction",
  "system_instruction",
  "tools",
  "generateContentRequest",
  "generate_content_request",
]);

/** The path names model and method; the fields of `generationConfig` become parameters of their own. */
export function readGeminiRequest(input: RequestInput): ParsedRequest {
  const outer = asObject(input.body) ?? {};
  // `countTokens` may wrap what it counts; a batch of embeddings is described by its first request.
  const requests = asArray(outer["requests"]).map(asObject);
  const inner = asObject(readField(outer, "generateContentRequest"));
  const body = inner ?? { ...requests[0], ...outer };
  const system = readGeminiContent(readField(body, "systemInstruction"));
  return compact<ParsedRequest>({
    model: stripModelPrefix(asLabel(body["model"])) ?? input.route.pathModel,
    parameters: readParameters(body),
    system: system.length === 0 ? undefined : system,
    messages: readMessages(body, requests, inner === undefined ? input.known : undefined),
    tools: readGeminiTools(body["tools"]),
    stream: input.path.includes(":streamGenerateContent") || undefined,
  });
}

function readParameters(body: JsonObject): JsonObject {
  return readSettings(body, contentKeys, "generation_config" in body ? "generation_config" : "generationConfig");
}

function readMessages(
  body: JsonObject,
  requests: readonly (JsonObject | undefined)[],
  known: KnownMessages | undefined,
): ParsedRequest["messages"] {
  if (requests.length > 0)
    return requests.map((request) => createMessage("user", readGeminiContent(request?.["content"])));
  if (body["content"] !== undefined) return [createMessage("user", readGeminiContent(body["content"]))];
  return readGeminiContents(body["contents"], known);
}

/** `models/gemini-2.5-flash`, `publishers/google/models/…` → `gemini-2.5-flash`. */
export function stripModelPrefix(model: string | undefined): string | undefined {
  return model?.replace(/^(?:.*\/)?models\//, "");
}
