/** Events of calls: their details, and what went wrong. */
import type { Context, HrTime } from "@opentelemetry/api";
import type { LlmCall } from "../../types.ts";
import { copyJson } from "../shared/copy-json.ts";
import { callAttributes, errorTypeOf } from "./attributes.ts";
import { readContent } from "./content.ts";
import { ATTRIBUTE, EVENT, type Semconv } from "./names.ts";

/** INFO and WARN of OpenTelemetry's log data model. */
const INFO = 9;
const WARN = 13;

interface Logger {
  emit(record: Record<string, unknown>): void;
}

export interface EmitEventsOptions {
  logger: Logger;
  semconv: Semconv;
  /** Whether prompts and answers go into the details. */
  content: boolean;
}

/** Emits the events of a call; `context` holds its span. */
export type EmitEvents = (call: LlmCall, context: Context, end: HrTime) => void;

export function createEvents({ logger, semconv, content }: EmitEventsOptions): EmitEvents {
  return (call, context, end) => {
    const record = { timestamp: end, context };
    const attributes: Record<string, unknown> = callAttributes(call, semconv);
    if (content) addContent(attributes, call, semconv);
    logger.emit({ ...record, eventName: EVENT.operationDetails, severityNumber: INFO, attributes });
    const errorType = errorTypeOf(call);
    if (errorType === undefined) return;
    logger.emit({
      ...record,
      eventName: EVENT.operationException,
      severityNumber: WARN,
      severityText: "WARN",
      attributes: {
        [ATTRIBUTE.exceptionType]: errorType,
        ...(call.error !== undefined &&
          call.error.message !== "" && { [ATTRIBUTE.exceptionMessage]: call.error.message }),
      },
    });
  };
}

/** As structures, not as text. */
function addContent(attributes: Record<string, unknown>, call: LlmCall, semconv: Semconv): void {
  const { inputMessages, outputMessages, systemInstructions, toolDefinitions } = readContent(call, semconv);
  const fields = [
    [ATTRIBUTE.inputMessages, inputMessages],
    [ATTRIBUTE.outputMessages, outputMessages],
    [ATTRIBUTE.systemInstructions, systemInstructions],
    [ATTRIBUTE.toolDefinitions, toolDefinitions],
  ] as const;
  // Exporters walk what they are given: a snapshot without cycles and BigInts.
  for (const [name, value] of fields) if (value !== undefined) attributes[name] = copyJson(value);
}
