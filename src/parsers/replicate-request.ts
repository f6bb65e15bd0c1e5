/** Requests of Replicate: `input` is whatever the model takes; language models have agreed on some names. */
import type { Message, Part } from "../types.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { asArray, asLabel, asObject, asString, compact, isObject, omitKeys } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readMediaUrl } from "./shared/media.ts";
import { textParts } from "./shared/message-parts.ts";
import { readConversation } from "./shared/openai-messages.ts";

/** Webhooks are addresses of the app, often with a secret in them. */
const contentKeys: ReadonlySet<string> = new Set(["model", "version", "input", "stream", "webhook"]);

const promptKeys = ["prompt", "text", "message"] as const;
const systemKeys = ["system_prompt", "system"] as const;

/** The model is named in the path, in the body, or only as a version. */
export function readReplicateRequest({ route, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const input = asObject(fields["input"]) ?? {};
  const used = new Set<string>([...promptKeys, ...systemKeys, "messages"]);
  const conversation = readConversation(Array.isArray(input["messages"]) ? input["messages"] : undefined);
  const parts: Part[] = [...promptKeys.flatMap((key) => textParts("text", input[key])), ...readMedia(input, used)];
  const system = [...systemKeys.flatMap((key) => textParts("text", input[key])), ...(conversation.system ?? [])];
  const messages: Message[] = [...(conversation.messages ?? [])];
  if (parts.length > 0) messages.push({ role: "user", parts });
  return compact<ParsedRequest>({
    model: route.pathModel ?? asLabel(fields["model"]) ?? asLabel(fields["version"]),
    parameters: { ...omitKeys(fields, contentKeys), ...omitKeys(input, used) },
    system: system.length === 0 ? undefined : system,
    messages: messages.length === 0 ? undefined : messages,
    stream: typeof fields["stream"] === "boolean" ? fields["stream"] : undefined,
  });
}

/** URLs and data URLs under any name, alone or in a list, are media; their names are added to `used`. */
function readMedia(input: JsonObject, used: Set<string>): Part[] {
  const parts: Part[] = [];
  for (const key of Object.keys(input)) {
    const values = asArray(input[key]).length > 0 ? asArray(input[key]) : [input[key]];
    if (used.has(key) || !values.every(isUrl)) continue;
    used.add(key);
    for (const url of values) if (isUrl(url)) parts.push(readMediaUrl(url));
  }
  return parts;
}

function isUrl(value: unknown): value is string {
  return !isObject(value) && /^(?:https?|data):/i.test(asString(value)?.slice(0, 6) ?? "");
}
