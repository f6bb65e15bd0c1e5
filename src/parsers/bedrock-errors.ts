/** Errors of Amazon Bedrock: their name is in a header, or in the frame of the event stream, not in the body. */
import type { ParsedError, ResponseInput } from "./parser.ts";
import { readErrorBody } from "./shared/error-body.ts";
import { asLabel, asObject } from "./shared/json.ts";

/** Events that no Bedrock stream fails with. */
const answerEvents: ReadonlySet<string> = new Set([
  "chunk",
  "initial-response",
  "messageStart",
  "contentBlockStart",
  "contentBlockDelta",
  "contentBlockStop",
  "messageStop",
  "metadata",
]);

/**
 * The error in an event whose name is that of an exception (`throttlingException`).
 *
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html
 */
export function readBedrockEventError(value: unknown, name: string | undefined): ParsedError | undefined {
  if (name === undefined || answerEvents.has(name)) return undefined;
  const fields = asObject(value);
  // What a gateway sends in place of an exception has an error of its own in it.
  if (name === "error" && asObject(fields?.["error"]) !== undefined) return readErrorBody(value);
  if (!/(exception|error)$/i.test(name) && typeof fields?.["message"] !== "string") return undefined;
  const message = readErrorBody(value)?.message ?? asLabel(fields?.["originalMessage"]) ?? name;
  return { type: name, message };
}

/** Gives the error of a response the name that `x-amzn-errortype` has: `ThrottlingException:http://…` up to the colon. */
export function nameBedrockError(error: ParsedError | undefined, input: ResponseInput): ParsedError | undefined {
  if (input.status < 400) return error;
  const type = asLabel(input.headers["x-amzn-errortype"]?.split(":", 1)[0]);
  if (type === undefined) return error;
  return { ...error, type, message: error?.message ?? type };
}
