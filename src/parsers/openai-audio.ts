/** Speech (text in, sound out), transcriptions and translations (sound in, text out; JSON, plain text or SSE). */
import type { Usage } from "../types.ts";
import type {
  Frame,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
} from "./parser.ts";
import { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL, notApplicableUsage } from "./parser.ts";
import { createChoiceFold } from "./shared/choices.ts";
import type { ChoiceFold } from "./shared/choices.ts";
import { finishChoices } from "./shared/finish-choices.ts";
import { asCount, asLabel, asObject, asString } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { openRequest, readInputs } from "./shared/open-request.ts";
import { readContent } from "./shared/openai-messages.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { createResponseFold, foldHead, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";
import { createUsage } from "./shared/usage.ts";

interface AudioState {
  response: ResponseFold;
  choices: ChoiceFold;
  /** Sound that came as bytes. */
  sound: { bytes: number; mimeType: string | undefined } | undefined;
  audioSeconds: number | undefined;
}

/** `prompt` of a transcription and `instructions` of speech tell the model how to go about it. */
const contentFields: ReadonlySet<string> = new Set(["input", "prompt", "instructions", "input_audio", "file"]);

export const openaiAudioParser: Parser<AudioState> = {
  api: "openai-audio",

  /** The sound itself is a file of a form and is not seen here; OpenRouter takes it as base64 in JSON. */
  readRequest(input: RequestInput): ParsedRequest {
    const { request, fields } = openRequest(input, contentFields);
    const system = readContent(fields["instructions"] ?? fields["prompt"]);
    const parts = readInputs(fields["input"]);
    const sound = asObject(fields["input_audio"]);
    if (sound !== undefined) parts.push(...readContent([{ type: "input_audio", input_audio: sound }]));
    if (system.length > 0) request.system = system;
    if (parts.length > 0) request.messages = [{ role: "user", parts }];
    if (fields["stream_format"] === "sse") request.stream = true;
    return request;
  },

  start: (input: ResponseInput): AudioState => ({
    response: createResponseFold(input),
    choices: createChoiceFold({ contentLimit: input.contentLimit }),
    sound: undefined,
    audioSeconds: undefined,
  }),

  chunk(state: AudioState, frame: Frame): number {
    const { response, choices } = state;
    if (response.input.status < 400) {
      if (frame.kind === "binary") return foldSound(state, frame.bytes, frame.mimeType);
      if (frame.kind === "text") {
        // `response_format`: text, srt or vtt.
        response.ended = true;
        return choices.addText(0, "text", frame.text) ? FRAME_OUTPUT | FRAME_TERMINAL : FRAME_TERMINAL;
      }
    }
    const value = openFrame(response, frame);
    if (typeof value === "number") return value;
    // Events have ids of their own: those of segments.
    if (frame.kind === "body") foldHead(response, value);
    else response.model ??= asLabel(value["model"]);
    foldUsage(response, value["usage"]);
    const output = frame.kind === "body" ? foldTranscript(state, value) : foldEvent(state, value, frame);
    return (output ? FRAME_OUTPUT : FRAME_NOTHING) | (response.ended ? FRAME_TERMINAL : FRAME_NOTHING);
  },

  finish(state: AudioState, end: ResponseEnd): ParsedResponse {
    const { response, choices, sound } = state;
    if (sound !== undefined) {
      const mimeType = sound.mimeType === undefined ? {} : { mimeType: sound.mimeType };
      choices.addPart(0, { type: "blob", modality: "audio", bytes: sound.bytes, ...mimeType });
      // Sound has no end mark of its own.
      if (!end.interrupted) response.ended = true;
    }
    return finishChoices(response, choices, end, readAudioUsage(state));
  },
};

function foldSound(state: AudioState, bytes: number, mimeType: string | undefined): number {
  state.sound ??= { bytes: 0, mimeType };
  state.sound.bytes += bytes;
  return bytes > 0 ? FRAME_OUTPUT : FRAME_NOTHING;
}

/** `json`, `verbose_json` (with its length) and `diarized_json`. */
function foldTranscript(state: AudioState, body: JsonObject): boolean {
  state.audioSeconds = asCount(body["duration"]) ?? state.audioSeconds;
  return state.choices.addText(0, "text", body["text"]);
}

/** `transcript.text.*` (OpenAI), `transcription.*` (Mistral) and `speech.audio.*`. */
function foldEvent(state: AudioState, value: JsonObject, frame: Frame): boolean {
  const { response, choices } = state;
  const name = frame.kind === "event" ? frame.name : undefined;
  switch (asLabel(value["type"]) ?? name) {
    case "transcript.text.delta":
      return choices.addText(0, "text", value["delta"]);
    case "transcription.text.delta":
      return choices.addText(0, "text", value["text"]);
    case "transcript.text.done":
    case "transcription.done":
      response.ended = true;
      return choices.hasOutput() ? false : choices.addText(0, "text", value["text"]);
    case "speech.audio.delta":
      return choices.addMedia(0, "speech", {
        modality: "audio",
        mimeType: speechType(response.input),
        data: value["audio"] ?? value["delta"],
      });
    case "speech.audio.done":
      response.ended = true;
      return false;
    case undefined:
      response.ended = typeof value["text"] === "string" || response.ended;
      return foldTranscript(state, value);
    default:
      return false;
  }
}

function speechType(input: ResponseInput): string | undefined {
  const format = asString(input.request.parameters["response_format"]);
  return format === undefined ? undefined : `audio/${format === "mp3" ? "mpeg" : format}`;
}

function readAudioUsage({ response, sound, audioSeconds, choices }: AudioState): Usage | undefined {
  const reported = readOpenAiUsage(response.usage) ?? createUsage({ audioSeconds }, undefined);
  if (reported !== undefined || response.error !== undefined || response.input.status >= 400) return reported;
  const isSpeech = sound !== undefined || response.input.route.operation === "text_to_speech";
  if (!isSpeech || !(sound !== undefined || choices.hasOutput())) return undefined;
  // Speech reports nothing; its characters are those of the input.
  const characters = countCharacters(response.input);
  return characters === undefined ? notApplicableUsage() : { ...notApplicableUsage(), characters };
}

function countCharacters({ request }: ResponseInput): number | undefined {
  let characters: number | undefined;
  for (const message of request.messages ?? []) {
    for (const part of message.parts) if (part.type === "text") characters = (characters ?? 0) + part.content.length;
  }
  return characters;
}
