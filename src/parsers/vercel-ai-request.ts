/** Requests of the AI SDK's gateway protocol: the call options of a model, as the AI SDK hands them to any provider. */
import type { Message, Modality, Operation, Part, ToolDefinition } from "../types.ts";
import type { ParsedRequest, RequestInput } from "./parser.ts";
import { asArray, asLabel, asObject, asString, compact, isObject, omitKeys, readArguments } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { modalityOf, readBase64Media, readMediaUrl } from "./shared/media.ts";
import { createMessage, textParts } from "./shared/message-parts.ts";

/** `headers` are those that the app adds to the provider's request: any of them may be a credential. */
const contentKeys: ReadonlySet<string> = new Set([
  "prompt",
  "messages",
  "tools",
  "headers",
  "values",
  "value",
  "documents",
  "query",
  "text",
  "instructions",
  "audio",
  "files",
  "mask",
  "image",
  "providerOptions",
]);

/** The last segment of the path names the kind of model. */
const operations: ReadonlyMap<string, Operation> = new Map([
  ["language-model", "chat"],
  ["embedding-model", "embeddings"],
  ["image-model", "image_generation"],
  ["reranking-model", "rerank"],
  ["speech-model", "text_to_speech"],
  ["transcription-model", "transcription"],
]);

/** The model is named in a header. */
export function readVercelRequest({ route, path, headers, body }: RequestInput): ParsedRequest {
  const fields = asObject(body) ?? {};
  const kind = /\/([a-z]+-model)(?:\?|$)/.exec(path)?.[1] ?? "";
  const { system, messages } = readPrompt(fields["prompt"] ?? fields["messages"]);
  const input = messages ?? readInput(fields);
  return compact<ParsedRequest>({
    model:
      asLabel(headers["ai-language-model-id"]) ??
      asLabel(headers["ai-model-id"]) ??
      asLabel(headers["ai-embedding-model-id"]) ??
      asLabel(fields["model"]) ??
      route.pathModel,
    parameters: { ...omitKeys(fields, contentKeys), ...readProviderOptions(fields["providerOptions"]) },
    system,
    messages: input,
    tools: readTools(fields["tools"]),
    stream: kind === "language-model" ? readStreaming(headers["ai-language-model-streaming"]) : undefined,
    operation: operations.get(kind),
  });
}

function readStreaming(header: string | undefined): boolean | undefined {
  return header === undefined ? undefined : header === "true";
}

/** A caller's own keys for the providers behind the gateway (`byok`) are credentials. */
function readProviderOptions(options: unknown): JsonObject {
  if (!isObject(options)) return {};
  const gateway = asObject(options["gateway"]);
  const kept = gateway === undefined ? options : { ...options, gateway: omitKeys(gateway, new Set(["byok"])) };
  return { providerOptions: kept };
}

function readPrompt(prompt: unknown): { system?: Part[]; messages?: Message[] } {
  if (!Array.isArray(prompt)) return {};
  const all = prompt.filter(isObject).map(readMessage);
  const firstTurn = all.findIndex((message) => message.role !== "system");
  const leading = all.slice(0, firstTurn === -1 ? all.length : firstTurn);
  const messages = all.slice(leading.length);
  return leading.length === 0 ? { messages } : { system: leading.flatMap((message) => message.parts), messages };
}

function readMessage(message: JsonObject): Message {
  const { content } = message;
  const parts = typeof content === "string" ? textParts("text", content) : asArray(content).flatMap(readPart);
  return createMessage(asLabel(message["role"]), parts);
}

/** Input of the models that are no language models. */
function readInput(fields: JsonObject): Message[] | undefined {
  const { documents, values } = fields;
  const listed = [...asArray(isObject(documents) ? documents["values"] : documents), ...asArray(values)];
  const audio = asString(fields["audio"]);
  const parts: Part[] = [
    ...["prompt", "query", "text", "instructions"].flatMap((key) => textParts("text", fields[key])),
    ...listed.flatMap((item): Part[] =>
      typeof item === "string" ? textParts("text", item) : [{ type: "other", kind: "document", content: item }],
    ),
    ...[...asArray(fields["files"]), fields["mask"]].filter(isObject).map((file) => readFilePart(file, "image")),
    ...(audio === undefined ? [] : [readBase64Media(audio, "audio", asLabel(fields["mediaType"]))]),
  ];
  return parts.length === 0 ? undefined : [{ role: "user", parts }];
}

function readPart(item: unknown): Part[] {
  const part = asObject(item);
  if (part === undefined) return [];
  switch (part["type"]) {
    case "text":
      return textParts("text", part["text"]);
    case "reasoning":
      return textParts("reasoning", part["text"]);
    case "file":
    case "image":
      return [readFilePart(part, part["type"] === "image" ? "image" : undefined)];
    case "tool-call":
      return [
        compact<Part & { type: "tool_call" | "server_tool_call" }>({
          type: part["providerExecuted"] === true ? "server_tool_call" : "tool_call",
          id: asLabel(part["toolCallId"]),
          name: asLabel(part["toolName"]) ?? "",
          arguments: readArguments(part["input"] ?? part["args"]),
        }),
      ];
    case "tool-result":
      return [
        compact<Part & { type: "tool_call_response" }>({
          type: "tool_call_response",
          id: asLabel(part["toolCallId"]),
          name: asLabel(part["toolName"]),
          response: readToolOutput(part["output"] ?? part["result"]),
        }),
      ];
    default:
      return [{ type: "other", kind: asLabel(part["type"]) ?? "unknown", content: part }];
  }
}

/** `{type: "text" | "json" | "error-text" | "error-json" | "content", value}`. */
function readToolOutput(output: unknown): unknown {
  const fields = asObject(output);
  if (fields === undefined || !("value" in fields)) return output;
  if (fields["type"] !== "content") return fields["value"];
  return asArray(fields["value"]).flatMap((item): Part[] => {
    const part = asObject(item) ?? {};
    const isMedia = part["data"] !== undefined || part["url"] !== undefined;
    return isMedia ? [readFilePart({ ...part, data: part["data"] ?? part["url"] }, undefined)] : readPart(part);
  });
}

/** File data is base64, a data URL or a URL. */
export function readFilePart(file: JsonObject, modality: Modality | undefined): Part {
  const mimeType = asLabel(file["mediaType"]) ?? asLabel(file["mimeType"]);
  const data = asString(file["data"]) ?? asString(file["url"]) ?? asString(file["image"]);
  const kind = modality ?? modalityOf(mimeType);
  if (data === undefined) return compact<Part & { type: "file" }>({ type: "file", modality: kind, mimeType });
  if (/^https?:/i.test(data.slice(0, 6))) return readMediaUrl(data, kind);
  return readBase64Media(data, kind, mimeType);
}

/** Functions of the app, and tools that a provider brings: `{type: "provider", id: "openai.web_search", name, args}`. */
function readTools(tools: unknown): ToolDefinition[] | undefined {
  if (!Array.isArray(tools)) return undefined;
  return tools.filter(isObject).map((tool) =>
    compact<ToolDefinition>({
      type: tool["type"] === "function" ? "function" : (asLabel(tool["id"]) ?? asLabel(tool["type"]) ?? "function"),
      name: asLabel(tool["name"]),
      description: asString(tool["description"]),
      parameters: tool["inputSchema"] ?? tool["parameters"] ?? undefined,
    }),
  );
}
