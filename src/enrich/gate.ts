/**
 * What happens to one text on its way into a record: media → descriptor, credentials, personal data, the user's
 * `redact`, and only then the cut. One gate is made per record and remembers what it did.
 */
import { changeAbridged, isAbridged } from "../abridged-text.ts";
import { maskCredentials } from "./credentials.ts";
import { maskEchoes } from "./echoes.ts";
import { describeBase64Field, describeDataUrls } from "./media.ts";
import type { Digest } from "./media.ts";
import { findPassed, type KnownPassed } from "./known-passed.ts";
import { maskEmails, maskPersonalData } from "./redact.ts";
import type { KnownBeginning } from "../known-messages.ts";
import { GAP_MARK } from "../types.ts";
import { cutWithMarker, dropBrokenEnd, dropBrokenStart, isIdentifier } from "./text.ts";
import { type JsonRules, transformJson } from "./transform-json.ts";

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
  /** Of what was there before, what passed as it was. */
  readonly passed: KnownPassed | undefined;
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
 * @param known - messages of the request that were there before
 */
export function createGate(
  policy: PrivacyPolicy,
  broken: BrokenSides = WHOLE,
  echoes: readonly string[] = [],
  known?: KnownBeginning,
): Gate {
  return new TextGate(policy, broken, echoes, known);
}

const NO_NOTES: ReadonlySet<string> = new Set();
const NO_OPTIONS: JsonOptions = Object.freeze({});

/** Models, roles and the like come again and again: those that pass as they are. */
const plainNames = new Set<string>();
const MAX_PLAIN_NAMES = 1_000;
/** Ids are longer, and come once. */
const LONGEST_PLAIN_NAME = 32;

function notePlainName(text: string): void {
  if (text.length > LONGEST_PLAIN_NAME) return;
  if (plainNames.size >= MAX_PLAIN_NAMES) plainNames.clear();
  plainNames.add(text);
}

/** A class: there is one for each record, and a dozen closures would be most of it. */
class TextGate implements Gate {
  readonly policy: PrivacyPolicy;
  readonly report: { redacted: boolean; cut: Record<Side, boolean>; notes: ReadonlySet<string> } = {
    redacted: false,
    cut: { input: false, output: false, either: false },
    notes: NO_NOTES,
  };
  readonly passed: KnownPassed | undefined;
  readonly #broken: BrokenSides;
  readonly #echoes: readonly string[];
  readonly #limit: number;
  /** The app has a say, or personal data goes: each text is looked at. */
  readonly #redacts: boolean;
  /** Those of the last place: a request has dozens of values at one. */
  #jsonRules: { place: Place; options: JsonOptions; rules: JsonRules } | undefined = undefined;

  constructor(
    policy: PrivacyPolicy,
    broken: BrokenSides,
    echoes: readonly string[],
    known: KnownBeginning | undefined,
  ) {
    this.policy = policy;
    this.#broken = broken;
    this.#echoes = echoes;
    this.#limit = Math.max(0, policy.maxContentLength);
    this.#redacts = policy.redactPii || policy.redact !== undefined;
    // The app's own function may say something else each time.
    this.passed = known === undefined || policy.redact !== undefined ? undefined : this.#findPassed(known);
  }

  #findPassed(known: KnownBeginning): KnownPassed {
    const { privacyMode, excludeInput, excludeOutput, captureMedia, redactPii } = this.policy;
    const flags = [privacyMode, excludeInput, excludeOutput, captureMedia, redactPii, this.#broken.input];
    return findPassed(known, `${this.#limit} ${flags.join(" ")}`);
  }

  allows(side: Side): boolean {
    const { policy } = this;
    if (policy.privacyMode) return false;
    return !((policy.excludeInput && side !== "output") || (policy.excludeOutput && side !== "input"));
  }

  text(text: string, place: Place): string | undefined {
    if (!this.allows(place.side)) return undefined;
    const kept = this.#redactText(text, place);
    return kept === undefined ? undefined : this.#cut(kept, place.side);
  }

  json(value: unknown, place: Place, options: JsonOptions = NO_OPTIONS): unknown {
    if (!this.allows(place.side)) return undefined;
    if (typeof value === "string") return this.text(value, place);
    const known = this.#jsonRules;
    if (known?.place === place && known.options === options) return transformJson(value, known.rules);
    const rules = this.#makeJsonRules(place, options);
    this.#jsonRules = { place, options, rules };
    return transformJson(value, rules);
  }

  #makeJsonRules(place: Place, options: JsonOptions): JsonRules {
    return {
      text: (item, field) => this.#leaf(item, field, place),
      key: this.#redacts
        ? (key, depth) => (options.hasFixedKeys === true && depth === 1 ? key : this.#redactKey(key, place))
        : undefined,
      number: this.policy.redactPii ? (number) => this.#maskNumber(number) : undefined,
      maskSecretFields: place.credentials === true,
      limit: this.#limit,
      snapshot: options.snapshot === true,
      onCut: () => (this.report.cut[place.side] = true),
    };
  }

  isKept(text: string, place: Place): boolean {
    return text === "" || !this.#redacts || this.#redactText(text, place) === text;
  }

  identifier(text: string, place: Place): string | undefined {
    const { redactPii } = this.policy;
    if (!redactPii && plainNames.has(text)) return text;
    const masked = maskCredentials(text);
    const kept = redactPii ? maskEmails(masked) : masked;
    if (kept === text && isIdentifier(text)) {
      notePlainName(text);
      return text;
    }
    if (kept !== text) this.report.redacted = true;
    if (!this.allows(place.side)) return undefined;
    return this.#cut(this.#redactText(kept, place) ?? REDACTION_FAILED, place.side);
  }

  /** Everything but the cut. `undefined`: redaction failed. */
  #redactText(given: string, place: Place): string | undefined {
    const { policy } = this;
    const isRedacted = this.#redacts || place.credentials === true;
    const text = isRedacted ? this.#dropBrokenEnds(given, place) : given;
    let kept = policy.captureMedia ? text : describeDataUrls(text, policy.digest);
    const before = kept;
    if (this.#echoes.length > 0 && place.side === "output")
      kept = maskEchoes(kept, this.#echoes, place.quotes === true);
    if (policy.redactPii) kept = maskPersonalData(kept);
    else if (place.credentials === true) kept = maskCredentials(kept);
    if (policy.redact !== undefined) {
      const redacted = this.#callRedact(policy.redact, kept, place.where);
      if (redacted === undefined) return undefined;
      kept = redacted;
    }
    if (kept !== before) this.report.redacted = true;
    return kept;
  }

  /** Where something is masked, half of it must not stay because the other half is gone. */
  #dropBrokenEnds(given: string, { side, maxLength }: Place): string {
    const isOpen = this.#broken[side] || (maxLength !== undefined && given.length >= maxLength - 1);
    return changeAbridged(given, (text, mark) => this.#dropBrokenPieces(text, isOpen && mark === "") + mark);
  }

  #dropBrokenPieces(text: string, isOpen: boolean): string {
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

  #callRedact(redact: (text: string, where: string) => string, text: string, where: string): string | undefined {
    try {
      const redacted: unknown = redact(text, where);
      if (typeof redacted === "string") return redacted;
      // Its rejection would end the app.
      if (redacted instanceof Promise) redacted.catch(() => {});
      throw new TypeError(`redact must return a string, got ${redacted === null ? "null" : typeof redacted}`);
    } catch (error) {
      const { report } = this;
      report.redacted = true;
      if (!report.notes.has("redact_failed")) this.#reportRedactError(error);
      report.notes = new Set([...report.notes, "redact_failed"]);
      return undefined;
    }
  }

  #reportRedactError(error: unknown): void {
    try {
      this.policy.onRedactError?.(error);
    } catch {
      // The one who listens for failures failed: there is nobody left to tell.
    }
  }

  #cut(text: string, side: Side): string {
    if (text.length <= this.#limit && !isAbridged(text)) return text;
    this.report.cut[side] = true;
    return cutWithMarker(text, this.#limit);
  }

  #leaf(text: string, field: string | undefined, place: Place): string {
    const { captureMedia, digest } = this.policy;
    if (captureMedia && text.startsWith("data:")) return text;
    const media = captureMedia ? undefined : describeBase64Field(text, field, digest);
    return media ?? this.#redactText(text, place) ?? REDACTION_FAILED;
  }

  /** `undefined`: redaction failed. */
  #redactKey(key: string, { where }: Place): string | undefined {
    const { redactPii, redact } = this.policy;
    const masked = redactPii ? maskPersonalData(key) : key;
    const kept = redact === undefined ? masked : this.#callRedact(redact, masked, where);
    if (kept !== key) this.report.redacted = true;
    return kept;
  }

  /** A card or a phone number may come as a JSON number. */
  #maskNumber(value: number): unknown {
    if (!Number.isInteger(value) || Math.abs(value) < 1e8 || Math.abs(value) >= 1e21) return value;
    // Too long for a number: its first digits are those that came, and whether it is a card can't be told any more.
    if (!Number.isSafeInteger(value)) {
      this.report.redacted = true;
      return "[number]";
    }
    const kept = maskPersonalData(String(value));
    if (kept === String(value)) return value;
    this.report.redacted = true;
    return kept;
  }
}
