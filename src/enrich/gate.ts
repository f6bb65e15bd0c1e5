/**
 * What happens to one text on its way into a record: media → descriptor, credentials, personal data, the user's
 * `redact`, and only then the cut. One gate is made per record and remembers what it did.
 */
import { maskCredentials } from "./credentials.ts";
import { maskEchoes } from "./echoes.ts";
import { describeBase64Field, describeDataUrls } from "./media.ts";
import type { Digest } from "./media.ts";
import { maskEmails, maskPersonalData } from "./redact.ts";
import { GAP_MARK } from "../types.ts";
import { cutWithMarker, dropBrokenEnd, dropBrokenStart, isIdentifier } from "./text.ts";
import { transformJson } from "./transform-json.ts";

export interface PrivacyPolicy {
  /** No content at all. */
  privacyMode: boolean;
  /** Nothing that the app sent. */
  excludeInput: boolean;
  /** Nothing that the model said. */
  excludeOutput: boolean;
  /** Keep base64 media instead of a descriptor. */
  captureMedia: boolean;
  /** Characters of each text field, and of each JSON value as a whole. */
  maxContentLength: number;
  /** The user's function. When it throws, or returns no string, the text is dropped. */
  redact?: (text: string, where: string) => string;
  redactPii: boolean;
  /** Told of the first failure of `redact` in a record. */
  onRedactError?: (error: unknown) => void;
  /** From the platform. */
  digest: Digest;
}

/** Whose words a field holds; `either` is an error text, which may quote both. */
export type Side = "input" | "output" | "either";

export interface Place {
  /** What the user's `redact` is told: `request.messages`, `response.choices`, `error.message`, … */
  where: string;
  side: Side;
  /** Scrub what is shaped like a credential also without `redactPii`: error texts, URLs and configuration. */
  credentials?: boolean;
  /** May hold passages of what the app sent: citations. */
  quotes?: boolean;
  /** Texts of this length were cut before they came here. */
  maxLength?: number;
}

export interface GateReport {
  /** Something was masked, changed or dropped by redaction. */
  redacted: boolean;
  /** Something was cut to length. */
  cut: Record<Side, boolean>;
  notes: ReadonlySet<string>;
}

export interface JsonOptions {
  /** The app goes on using the value. */
  snapshot?: boolean;
  /** Its own keys are names of an API. */
  hasFixedKeys?: boolean;
}

export interface Gate {
  readonly policy: PrivacyPolicy;
  readonly report: GateReport;
  /** Whether content of this side may be kept. */
  allows(side: Side): boolean;
  /** The text as it may be recorded; `undefined` when its side is off or redaction failed. */
  text(text: string, place: Place): string | undefined;
  /** The same for every text inside a JSON value. */
  json(value: unknown, place: Place, options?: JsonOptions): unknown;
  /** Part of an address, decoded: whether it may stay as it is. */
  isKept(text: string, place: Place): boolean;
  /** Ids, models, roles and the like pass also with content off, but only while they look like one. */
  identifier(text: string, place: Place): string | undefined;
}

const REDACTION_FAILED = "[redaction failed]";

/** Sides whose texts may have lost their end before they came here: to a bound of ours, or with the wire. */
export type BrokenSides = Readonly<Record<Side, boolean>>;

const WHOLE: BrokenSides = { input: false, output: false, either: false };

/**
 * @param echoes - what the app sent, where that is off: texts that must not come back in what the model said
 */
export function createGate(policy: PrivacyPolicy, broken: BrokenSides = WHOLE, echoes: readonly string[] = []): Gate {
  const notes = new Set<string>();
  const report = { redacted: false, cut: { input: false, output: false, either: false }, notes };
  const limit = Math.max(0, policy.maxContentLength);

  function allows(side: Side): boolean {
    if (policy.privacyMode) return false;
    return !((policy.excludeInput && side !== "output") || (policy.excludeOutput && side !== "input"));
  }

  /** Everything but the cut. `undefined`: redaction failed. */
  function redactText(given: string, place: Place): string | undefined {
    const text = isRedacted(place) ? dropBrokenEnds(given, place) : given;
    let kept = policy.captureMedia ? text : describeDataUrls(text, policy.digest);
    const before = kept;
    if (echoes.length > 0 && place.side === "output") kept = maskEchoes(kept, echoes, place.quotes === true);
    if (policy.redactPii) kept = maskPersonalData(kept);
    else if (place.credentials === true) kept = maskCredentials(kept);
    if (policy.redact !== undefined) {
      const redacted = callRedact(policy.redact, kept, place.where);
      if (redacted === undefined) return undefined;
      kept = redacted;
    }
    if (kept !== before) report.redacted = true;
    return kept;
  }

  function isRedacted({ credentials }: Place): boolean {
    return policy.redactPii || policy.redact !== undefined || credentials === true;
  }

  /** Where something is masked, half of it must not stay because the other half is gone. */
  function dropBrokenEnds(text: string, { side, maxLength }: Place): string {
    const isOpen = broken[side] || (maxLength !== undefined && text.length >= maxLength - 1);
    const ended = isOpen ? dropBrokenEnd(text) : text;
    if (!ended.includes(GAP_MARK)) return ended;
    const pieces = ended.split(GAP_MARK);
    return pieces
      .map((piece, index) => {
        const kept = index === 0 ? piece : dropBrokenStart(piece);
        return index === pieces.length - 1 ? kept : dropBrokenEnd(kept);
      })
      .join(GAP_MARK);
  }

  function callRedact(
    redact: (text: string, where: string) => string,
    text: string,
    where: string,
  ): string | undefined {
    try {
      const redacted: unknown = redact(text, where);
      if (typeof redacted === "string") return redacted;
      // Its rejection would end the app.
      if (redacted instanceof Promise) redacted.catch(() => {});
      throw new TypeError(`redact must return a string, got ${redacted === null ? "null" : typeof redacted}`);
    } catch (error) {
      report.redacted = true;
      if (!notes.has("redact_failed")) reportRedactError(error);
      notes.add("redact_failed");
      return undefined;
    }
  }

  function reportRedactError(error: unknown): void {
    try {
      policy.onRedactError?.(error);
    } catch {
      // The one who listens for failures failed: there is nobody left to tell.
    }
  }

  function cut(text: string, side: Side): string {
    if (text.length <= limit) return text;
    report.cut[side] = true;
    return cutWithMarker(text, limit);
  }

  function text(text: string, place: Place): string | undefined {
    if (!allows(place.side)) return undefined;
    const kept = redactText(text, place);
    return kept === undefined ? undefined : cut(kept, place.side);
  }

  function leaf(text: string, field: string | undefined, place: Place): string {
    if (policy.captureMedia && text.startsWith("data:")) return text;
    const media = policy.captureMedia ? undefined : describeBase64Field(text, field, policy.digest);
    return media ?? redactText(text, place) ?? REDACTION_FAILED;
  }

  function json(value: unknown, place: Place, options: JsonOptions = {}): unknown {
    if (!allows(place.side)) return undefined;
    if (typeof value === "string") return text(value, place);
    return transformJson(value, {
      text: (item, field) => leaf(item, field, place),
      ...((policy.redactPii || policy.redact !== undefined) && {
        key: (key, depth) => (options.hasFixedKeys === true && depth === 1 ? key : redactKey(key, place)),
      }),
      ...(policy.redactPii && { number: maskNumber }),
      maskSecretFields: place.credentials === true,
      limit,
      snapshot: options.snapshot === true,
      onCut: () => (report.cut[place.side] = true),
    });
  }

  /** `undefined`: redaction failed. */
  function redactKey(key: string, { where }: Place): string | undefined {
    const masked = policy.redactPii ? maskPersonalData(key) : key;
    const kept = policy.redact === undefined ? masked : callRedact(policy.redact, masked, where);
    if (kept !== key) report.redacted = true;
    return kept;
  }

  function isKept(text: string, place: Place): boolean {
    if (text === "" || (!policy.redactPii && policy.redact === undefined)) return true;
    return redactText(text, place) === text;
  }

  /** A card or a phone number may come as a JSON number. */
  function maskNumber(value: number): unknown {
    if (!Number.isInteger(value) || Math.abs(value) < 1e8 || Math.abs(value) >= 1e21) return value;
    // Too long for a number: its first digits are those that came, and whether it is a card can't be told any more.
    if (!Number.isSafeInteger(value)) {
      report.redacted = true;
      return "[number]";
    }
    const kept = maskPersonalData(String(value));
    if (kept === String(value)) return value;
    report.redacted = true;
    return kept;
  }

  function identifier(text: string, place: Place): string | undefined {
    const masked = maskCredentials(text);
    const kept = policy.redactPii ? maskEmails(masked) : masked;
    if (kept === text && isIdentifier(text)) return text;
    if (kept !== text) report.redacted = true;
    return allows(place.side) ? cut(redactText(kept, place) ?? REDACTION_FAILED, place.side) : undefined;
  }

  return { policy, report, allows, text, json, isKept, identifier };
}
