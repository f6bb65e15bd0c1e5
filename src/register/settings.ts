/** What the environment says about `llm-tap/register`: one table, read without side effects. */
import type { TapOptions } from "../types.ts";
import {
  readFlag,
  readHosts,
  readOutbox,
  readSinkNames,
  type Reading,
  readText,
  readUrl,
  readZone,
  type SinkName,
} from "./readers.ts";

/** A sink that the environment asks for. Plain data, so that a worker thread can be told as well. */
export type SinkSettings =
  | {
      kind: "amplitude";
      apiKey: string;
      serverUrl?: string;
      serverZone?: "US" | "EU";
      deviceId?: string;
      outbox?: { dir?: string };
    }
  | { kind: "console" }
  | { kind: "jsonl"; path: string }
  | { kind: "otel" };

export interface RegisterSettings {
  isDisabled: boolean;
  isDebug: boolean;
  sinks: SinkSettings[];
  options: Pick<TapOptions, "privacyMode" | "excludeInput" | "excludeOutput" | "hosts">;
}

export interface ReadSettings {
  settings: RegisterSettings;
  /** One line for each thing that is not as it should be. */
  warnings: string[];
}

/** The environment, as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What each variable holds. */
interface Values {
  LLM_TAP_SINKS: SinkName[];
  LLM_TAP_AMPLITUDE_API_KEY: string;
  AMPLITUDE_API_KEY: string;
  AMPLITUDE_SERVER_URL: string;
  AMPLITUDE_SERVER_ZONE: "US" | "EU";
  LLM_TAP_OUTBOX: { dir?: string } | false;
  LLM_TAP_PRIVACY_MODE: boolean;
  LLM_TAP_EXCLUDE_INPUT: boolean;
  LLM_TAP_EXCLUDE_OUTPUT: boolean;
  LLM_TAP_HOSTS: NonNullable<TapOptions["hosts"]>;
  LLM_TAP_DISABLED: boolean;
  LLM_TAP_DEBUG: boolean;
}

export type VariableName = keyof Values;
type FlagName = { [Name in VariableName]: Values[Name] extends boolean ? Name : never }[VariableName];

export interface Variable<Value> {
  /** What a value must look like, for the warning and for `llm-tap doctor`. */
  expected: string;
  /** What the variable is for. */
  purpose: string;
  isSecret?: boolean;
  read(text: string): Reading<Value>;
  /** What happens when the value is wrong. Default: it is ignored. */
  otherwise?: string;
}

const STRICT = "taken as true";
const NO_AMPLITUDE = "nothing is sent to Amplitude";

/** Every variable that `llm-tap/register` reads. */
export const VARIABLES: { readonly [Name in VariableName]: Variable<Values[Name]> } = {
  LLM_TAP_SINKS: {
    purpose: "where records go",
    expected: "a comma list of amplitude, console, jsonl:<path>, otel",
    read: readSinkNames,
    otherwise: "left out",
  },
  LLM_TAP_AMPLITUDE_API_KEY: { purpose: "Amplitude project", expected: "an API key", isSecret: true, read: readText },
  AMPLITUDE_API_KEY: {
    purpose: "Amplitude project, used only when LLM_TAP_SINKS names amplitude",
    expected: "an API key",
    isSecret: true,
    read: readText,
  },
  AMPLITUDE_SERVER_URL: {
    purpose: "where Amplitude is, for a proxy of your own",
    expected: "an http(s) URL",
    read: readUrl,
    otherwise: NO_AMPLITUDE,
  },
  AMPLITUDE_SERVER_ZONE: {
    purpose: "where Amplitude keeps the project's data",
    expected: "US or EU",
    read: readZone,
    otherwise: NO_AMPLITUDE,
  },
  LLM_TAP_OUTBOX: {
    purpose: "keep on disk what Amplitude has not confirmed, over crashes and restarts",
    expected: "true, false or the absolute path of a directory",
    read: readOutbox,
    otherwise: "no outbox",
  },
  LLM_TAP_PRIVACY_MODE: {
    purpose: "record no content at all",
    expected: "true or false",
    read: readFlag,
    otherwise: STRICT,
  },
  LLM_TAP_EXCLUDE_INPUT: {
    purpose: "record nothing that the app says to the model",
    expected: "true or false",
    read: readFlag,
    otherwise: STRICT,
  },
  LLM_TAP_EXCLUDE_OUTPUT: {
    purpose: "record nothing that the model says",
    expected: "true or false",
    read: readFlag,
    otherwise: STRICT,
  },
  LLM_TAP_HOSTS: {
    purpose: "own gateways, and hosts never to look at",
    expected:
      'a JSON object like {"llm.example.com":{"provider":"openai"}}, or a comma list of host=provider, host=off',
    read: readHosts,
    otherwise: "left out",
  },
  LLM_TAP_DISABLED: { purpose: "do nothing", expected: "true or false", read: readFlag, otherwise: STRICT },
  LLM_TAP_DEBUG: { purpose: "say on stderr what happens", expected: "true or false", read: readFlag },
};

/** One variable as it is set. `undefined`: not set, or set to nothing. */
export function readVariable<Name extends VariableName>(
  environment: Environment,
  name: Name,
): Reading<Values[Name]> | undefined {
  const text = environment[name]?.trim();
  if (text === undefined || text === "") return undefined;
  return VARIABLES[name].read(text);
}

/**
 * Reads all variables. What is wrong becomes a warning, and never less private than what was meant: a privacy switch that
 * can't be read is on, and an Amplitude that can't be placed gets nothing.
 */
export function readSettings(environment: Environment): ReadSettings {
  const warnings: string[] = [];

  function read<Name extends VariableName>(name: Name): Values[Name] | undefined {
    const reading = readVariable(environment, name);
    if (reading === undefined) return undefined;
    const { expected, otherwise = "ignored" } = VARIABLES[name];
    for (const problem of reading.problems) warnings.push(`${name}: ${problem}; expected ${expected} (${otherwise})`);
    return reading.value;
  }

  /** A switch that closes something is closed by whatever can't be read. */
  function readStrictly(name: FlagName): boolean {
    return read(name) ?? isSet(environment, name);
  }

  const isDisabled = readStrictly("LLM_TAP_DISABLED");
  const options: RegisterSettings["options"] = {};
  if (readStrictly("LLM_TAP_PRIVACY_MODE")) options.privacyMode = true;
  if (readStrictly("LLM_TAP_EXCLUDE_INPUT")) options.excludeInput = true;
  if (readStrictly("LLM_TAP_EXCLUDE_OUTPUT")) options.excludeOutput = true;
  const hosts = read("LLM_TAP_HOSTS");
  if (hosts !== undefined) options.hosts = hosts;
  const isDebug = read("LLM_TAP_DEBUG") ?? false;

  const names = read("LLM_TAP_SINKS");
  const ownKey = read("LLM_TAP_AMPLITUDE_API_KEY");
  if (names !== undefined && ownKey !== undefined && !names.some(({ kind }) => kind === "amplitude")) {
    warnings.push(
      "LLM_TAP_AMPLITUDE_API_KEY is set, but LLM_TAP_SINKS does not name amplitude (nothing is sent to Amplitude)",
    );
  }

  function resolveAmplitude(): SinkSettings | undefined {
    // A key that is there for other reasons ships no prompts by itself: here amplitude was named.
    const apiKey = ownKey ?? (names === undefined ? undefined : read("AMPLITUDE_API_KEY"));
    if (apiKey === undefined) {
      warnings.push(
        "LLM_TAP_SINKS: amplitude needs a key; expected one in LLM_TAP_AMPLITUDE_API_KEY or AMPLITUDE_API_KEY (left out)",
      );
      return undefined;
    }
    const serverUrl = read("AMPLITUDE_SERVER_URL");
    const serverZone = read("AMPLITUDE_SERVER_ZONE");
    const isMisplaced =
      (serverUrl === undefined && isSet(environment, "AMPLITUDE_SERVER_URL")) ||
      (serverZone === undefined && isSet(environment, "AMPLITUDE_SERVER_ZONE"));
    if (isMisplaced) return undefined;
    const sink: SinkSettings = { kind: "amplitude", apiKey };
    if (serverUrl !== undefined) sink.serverUrl = serverUrl;
    if (serverZone !== undefined) sink.serverZone = serverZone;
    const outbox = read("LLM_TAP_OUTBOX");
    if (outbox !== undefined && outbox !== false) sink.outbox = outbox;
    return sink;
  }

  function resolve(sink: SinkName): SinkSettings | undefined {
    return sink.kind === "amplitude" ? resolveAmplitude() : sink;
  }

  const wanted: readonly SinkName[] = names ?? [{ kind: ownKey === undefined ? "console" : "amplitude" }];
  const sinks = wanted.map(resolve).filter((sink) => sink !== undefined);
  for (const name of Object.keys(environment)) {
    // A misspelt privacy switch would be worse than a line too many.
    if (name.startsWith("LLM_TAP_") && !Object.hasOwn(VARIABLES, name)) {
      warnings.push(`${name} is not known; expected one of ${Object.keys(VARIABLES).join(", ")} (ignored)`);
    }
  }
  return { settings: { isDisabled, isDebug, sinks, options }, warnings };
}

function isSet(environment: Environment, name: VariableName): boolean {
  return readVariable(environment, name) !== undefined;
}
