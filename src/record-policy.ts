/** What of a record may be kept, and whether it is kept at all. */
import { digestMedia } from "#platform";
import { expectNoPromise } from "./callback-answer.ts";
import type { PrivacyPolicy } from "./enrich/privacy.ts";
import { DEFAULT_MAX_CONTENT_LENGTH } from "./options.ts";
import type { CallSettings, CaptureMeta, TapOptions } from "./types.ts";

export type Report = (place: string, error: unknown) => void;

/** @param readMeta - what `capture` is asked about; it is told the context too */
export function createPolicy(
  settings: CallSettings,
  readMeta: () => Omit<CaptureMeta, "context">,
  options: TapOptions,
  report: Report,
): PrivacyPolicy {
  const policy: PrivacyPolicy = {
    privacyMode: settings.privacyMode || isCaptureOff(settings, readMeta, options, report),
    excludeInput: settings.excludeInput,
    excludeOutput: settings.excludeOutput,
    captureMedia: options.captureMedia ?? false,
    maxContentLength: options.maxContentLength ?? DEFAULT_MAX_CONTENT_LENGTH,
    redactPii: options.redactPii ?? false,
    digest: digestMedia,
  };
  if (options.redact === undefined) return policy;
  policy.redact = options.redact;
  policy.onRedactError = (error) => report("redact", error);
  return policy;
}

/** A `capture` that throws or answers something else gets the strict answer. */
function isCaptureOff(
  { context }: CallSettings,
  readMeta: () => Omit<CaptureMeta, "context">,
  { capture }: TapOptions,
  report: Report,
): boolean {
  if (capture === undefined) return false;
  try {
    const answer = capture({ ...readMeta(), context: structuredClone(context) });
    expectNoPromise(answer, "capture");
    return answer !== "full";
  } catch (error) {
    report("capture", error);
    return true;
  }
}

/** The same answer for all calls of a trace: its id decides. */
export function isSampled(traceId: string, rate: number): boolean {
  if (rate >= 1) return true;
  if (rate <= 0) return false;
  let hash = 2166136261;
  for (let index = 0; index < traceId.length; index += 1) {
    hash = Math.imul(hash ^ traceId.charCodeAt(index), 16777619);
  }
  return (hash >>> 0) / 2 ** 32 < rate;
}
