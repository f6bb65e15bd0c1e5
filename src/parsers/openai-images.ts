/** Image generations, edits and variations: JSON, or SSE with partial images before the finished one. */
import type { Part, Usage } from "../types.ts";
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
import { asArray, asLabel, asObject, asString, isObject } from "./shared/json.ts";
import type { JsonObject } from "./shared/json.ts";
import { readBase64Media, readMediaUrl } from "./shared/media.ts";
import { openRequest } from "./shared/open-request.ts";
import { readContent } from "./shared/openai-messages.ts";
import { readOpenAiUsage } from "./shared/openai-usage.ts";
import { createResponseFold, foldHead, foldUsage, openFrame } from "./shared/response-fold.ts";
import type { ResponseFold } from "./shared/response-fold.ts";

interface ImagesState {
  response: ResponseFold;
  choices: ChoiceFold;
  imageCount: number;
}

const contentFields: ReadonlySet<string> = new Set(["prompt", "negative_prompt", "image", "images", "mask"]);

export const openaiImagesParser: Parser<ImagesState> = {
  api: "openai-images",

  /** Files of a form are not seen here: only its text fields are. */
  readRequest(input: RequestInput): ParsedRequest {
    const { request, fields } = openRequest(input, contentFields);
    const parts = readContent(fields["prompt"]);
    const negative = asString(fields["negative_prompt"]);
    if (negative !== undefined) parts.push({ type: "other", kind: "negative_prompt", content: negative });
    for (const field of ["image", "images", "mask"]) {
      const given = fields[field];
      for (const image of Array.isArray(given) ? given : [given]) parts.push(...readInputImage(image));
    }
    if (parts.length > 0) request.messages = [{ role: "user", parts }];
    return request;
  },

  start: (input: ResponseInput): ImagesState => ({
    response: createResponseFold(input),
    choices: createChoiceFold({ contentLimit: input.contentLimit }),
    imageCount: 0,
  }),

  chunk(state: ImagesState, frame: Frame): number {
    const { response } = state;
    const value = openFrame(response, frame);
    if (typeof value === "number") return value;
    foldHead(response, value);
    foldUsage(response, value["usage"]);
    const type = asLabel(value["type"]) ?? (frame.kind === "event" ? frame.name : undefined) ?? "";
    if (type.endsWith(".partial_image")) return FRAME_OUTPUT;
    const images = type.endsWith(".completed") ? [value] : asArray(value["data"] ?? value["images"]);
    if (images.length > 0) response.ended = true;
    for (const image of images) if (isObject(image)) foldImage(state, image, value);
    const bits = response.ended ? FRAME_TERMINAL : FRAME_NOTHING;
    return images.length > 0 ? bits | FRAME_OUTPUT : bits;
  },

  finish({ response, choices, imageCount }: ImagesState, end: ResponseEnd): ParsedResponse {
    const reported = readOpenAiUsage(response.usage);
    // The older models report no usage, because they are billed by image.
    const usage: Usage | undefined = reported ?? (imageCount > 0 ? notApplicableUsage() : undefined);
    return finishChoices(response, choices, end, usage && imageCount > 0 ? { ...usage, imageCount } : usage);
  },
};

function foldImage(state: ImagesState, image: JsonObject, body: JsonObject): void {
  const { choices } = state;
  const part = readOutputImage(image, body, state.response.input.request.parameters["output_format"]);
  if (part === undefined) return;
  state.imageCount++;
  choices.addPart(0, part);
  const revised = asString(image["revised_prompt"]);
  if (revised !== undefined) choices.addPart(0, { type: "other", kind: "revised_prompt", content: revised });
}

function readOutputImage(image: JsonObject, body: JsonObject, requested: unknown): Part | undefined {
  const url = asString(image["url"]);
  if (url !== undefined) return readMediaUrl(url, "image");
  const data = asString(image["b64_json"]);
  if (data === undefined) return undefined;
  const format = asLabel(image["output_format"]) ?? asLabel(body["output_format"]) ?? asLabel(requested) ?? "png";
  return readBase64Media(
    data,
    "image",
    asLabel(image["mime_type"]) ?? asLabel(image["media_type"]) ?? `image/${format}`,
  );
}

function readInputImage(image: unknown): Part[] {
  if (typeof image === "string") {
    const isReference = /^(https?|data):/i.test(image.slice(0, 8));
    return image === "" ? [] : [isReference ? readMediaUrl(image, "image") : readBase64Media(image, "image")];
  }
  const holder = asObject(image);
  return holder === undefined ? [] : readContent([{ type: "image_url", ...holder }]);
}
