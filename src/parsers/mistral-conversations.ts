/**
 * Mistral's conversations: entries in, entries out, as JSON and as events. The server keeps the history, so that what a
 * request holds need not be all that the model reads. No finish reason is reported.
 *
 * @see https://docs.mistral.ai/api/endpoint/beta/conversations
 */
import type { Usage } from "../types.ts";
import { readConversationRequest, readEntryContent } from "./mistral-conversations-request.ts";
import type { ParsedError, Parser, ResponseInput } from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { buildAnswer, createFoldParser } from "./shared/fold-parser.ts";
import type { AnswerFold, FoldState } from "./shared/fold-parser.ts";
import { addKnown, asArray, asCount, asIndex, asLabel, asObject, compact } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { createUsage } from "./shared/usage.ts";

/** The parser of `mistral-conversations`. */
export const mistralConversationsParser: Parser<FoldState> = createFoldParser({
  api: "mistral-conversations",
  readRequest: readConversationRequest,
  start: createAnswerFold,
  readEventError,
});

function readEventError(value: unknown, name: string | undefined): ParsedError | undefined {
  const event = asObject(value);
  if ((event?.["type"] ?? name) !== "conversation.response.error") return undefined;
  return readErrorBody({ message: event?.["message"], code: event?.["code"] }) ?? { message: "error" };
}

function createAnswerFold(input: ResponseInput): AnswerFold {
  const choices = createChoiceFold({ contentLimit: input.contentLimit });
  let id: string | undefined;
  let model: string | undefined;
  let usage: Usage | undefined;
  let lastPlace: string | undefined;
  let ended = false;

  /** A whole message or a piece of one: text, thinking, references, files. */
  function readContent(content: unknown): boolean {
    let output = false;
    for (const part of readEntryContent(content)) {
      if (part.type === "text" || part.type === "reasoning" || part.type === "refusal") {
        output = choices.addText(0, part.type, part.content) || output;
      } else {
        choices.addPart(0, part);
        output = true;
      }
    }
    return output;
  }

  /** A call for the app to run, or one that the server runs: a piece of it or the whole. */
  function readCall(entry: JsonObject, type: "tool_call" | "server_tool_call"): boolean {
    const callId = asLabel(entry["tool_call_id"]) ?? asLabel(entry["id"]);
    return choices.addToolCall(0, {
      index: callId ?? asIndex(entry["output_index"]),
      id: callId,
      name: entry["name"],
      arguments: entry["arguments"],
      type,
    });
  }

  function readEntry(entry: JsonObject): void {
    model ??= asLabel(entry["model"]);
    switch (entry["type"]) {
      case "message.output":
        choices.breakText(0);
        readContent(entry["content"]);
        break;
      case "function.call":
        readCall(entry, "tool_call");
        break;
      case "tool.execution":
        readCall(entry, "server_tool_call");
        addToolResult(entry);
        break;
      case "agent.handoff":
        choices.addPart(0, { type: "other", kind: "agent.handoff", content: entry });
        break;
      default:
    }
  }

  function addToolResult(entry: JsonObject): void {
    const info = asObject(entry["info"]);
    if (info === undefined || Object.keys(info).length === 0) return;
    const fields = { id: asLabel(entry["id"]), name: asLabel(entry["name"]) };
    choices.addPart(0, {
      type: "server_tool_call_response",
      ...compact<{ id?: string; name?: string }>(fields),
      response: info,
    });
  }

  function readDelta(event: JsonObject): boolean {
    const place = `${asIndex(event["output_index"]) ?? 0}:${asIndex(event["content_index"]) ?? 0}`;
    if (place !== lastPlace) choices.breakText(0);
    lastPlace = place;
    return readContent(event["content"]);
  }

  return {
    readBody(body) {
      id = asLabel(body["conversation_id"]);
      for (const entry of asArray(body["outputs"])) readEntry(asObject(entry) ?? {});
      usage = readUsage(body["usage"]);
    },

    readEvent(event, name) {
      id ??= asLabel(event["conversation_id"]);
      model ??= asLabel(event["model"]);
      switch (event["type"] ?? name) {
        case "message.output.delta":
          return readDelta(event) ? FRAME_OUTPUT : FRAME_NOTHING;
        case "function.call.delta":
          return readCall(event, "tool_call") ? FRAME_OUTPUT : FRAME_NOTHING;
        case "tool.execution.started":
        case "tool.execution.delta":
          return readCall(event, "server_tool_call") ? FRAME_OUTPUT : FRAME_NOTHING;
        case "tool.execution.done":
          addToolResult(event);
          return FRAME_NOTHING;
        case "conversation.response.done":
          usage = readUsage(event["usage"]) ?? usage;
          ended = true;
          return FRAME_TERMINAL;
        default:
          return FRAME_NOTHING;
      }
    },

    isFinished: () => ended,
    hasOutput: () => choices.hasOutput(),
    build: (situation) => {
      const answer = buildAnswer(choices, situation, usage);
      const [choice] = answer.choices;
      // Whether the model stopped by itself or for length, nobody says; but it wants its functions run.
      if (situation.finished && choice?.message.parts.some((part) => part.type === "tool_call") === true) {
        choice.finishReason = "tool_calls";
      }
      return addKnown(answer, { id, model });
    },
  };
}

/** What the server's tools found is fed to the model, and counted apart as `connector_tokens`. */
function readUsage(raw: unknown): Usage | undefined {
  const usage = asObject(raw);
  if (usage === undefined) return undefined;
  const prompt = asCount(usage["prompt_tokens"]);
  const connector = asCount(usage["connector_tokens"]) ?? 0;
  const outputTokens = asCount(usage["completion_tokens"]);
  const totalTokens = asCount(usage["total_tokens"]);
  const isApart = prompt !== undefined && prompt + (outputTokens ?? 0) + connector === totalTokens;
  return createUsage(
    {
      inputTokens: isApart ? prompt + connector : prompt,
      outputTokens,
      totalTokens,
      serverToolUses: readConnectors(usage["connectors"]),
    },
    raw,
  );
}

/** How often each of the server's tools ran: `{web_search: 1}`. */
function readConnectors(connectors: unknown): Record<string, number> | undefined {
  const uses = Object.entries(asObject(connectors) ?? {}).filter(
    (entry): entry is [string, number] => asCount(entry[1]) !== undefined && entry[0] !== "__proto__",
  );
  return uses.length === 0 ? undefined : Object.fromEntries(uses.slice(0, 64));
}
