/** Taps the whole process as the environment says. */
import process from "node:process";
import { isMainThread, threadId } from "node:worker_threads";
import { onSignal, warn } from "../platform/node.ts";
import { defaultDeviceId } from "../sinks/amplitude/device-id.ts";
import { createTap, type Tap } from "../tap.ts";
import type { Sink } from "../types.ts";
import { withLastDelivery } from "./last-delivery.ts";
import { type Environment, readSettings, type RegisterSettings, type SinkSettings } from "./settings.ts";

/** After this a failed delivery is no accident: nobody waits for another try. */
const LAST_TRY_MS = 1_000;
/** Errors of a kind are said once, and not without end. */
const MAX_ERRORS = 20;

/** Never throws: the app starts as it would without. */
export function register(environment: Environment): void {
  try {
    const { settings, warnings } = readSettings(environment);
    if (settings.isDisabled) {
      // The rest does not matter, but a switch that could not be read does.
      say(warnings.filter((line) => line.startsWith("LLM_TAP_DISABLED")));
      return;
    }
    say(warnings);
    start(settings);
  } catch (error) {
    say([`not started: ${describe(error)}`]);
  }
}

function start({ sinks: wanted, options, isDebug }: RegisterSettings): void {
  /** When the end of the process began and what is pending was last given a chance. */
  let endingSince: number | undefined;
  const isWorthwhile = (): boolean => endingSince === undefined || performance.now() - endingSince < LAST_TRY_MS;
  const noteEnding = (): void => {
    endingSince ??= performance.now();
  };

  const sinks = wanted.flatMap((sink) => makeSink(sink, isWorthwhile) ?? []);
  if (sinks.length === 0) {
    say(["no sink is left, so nothing is recorded"]);
    return;
  }
  const tap = createTap({
    ...options,
    sinks,
    context() {
      endingSince = undefined;
      return undefined;
    },
    onError: createErrorLog(isDebug),
  });
  tap.install();
  process.on("beforeExit", noteEnding);
  onSignal(noteEnding);
  if (isDebug) logDebug(tap, sinks);
}

function makeSink(settings: SinkSettings, isWorthwhile: () => boolean): Sink | undefined {
  try {
    // A worker thread would take its own name for that of the app.
    const complete = settings.kind === "amplitude" ? { ...settings, deviceId: defaultDeviceId() } : settings;
    return withLastDelivery(complete, isWorthwhile);
  } catch (error) {
    say([`the sink ${settings.kind} can't be made: ${describe(error)}`]);
    return undefined;
  }
}

function createErrorLog(isDebug: boolean): (error: Error) => void {
  const said = new Set<string>();
  return (error) => {
    const line = describe(error);
    if (!isDebug && (said.has(line) || said.size >= MAX_ERRORS)) return;
    said.add(line);
    say([line]);
  };
}

function logDebug(tap: Tap, sinks: readonly Sink[]): void {
  const place = isMainThread ? `process ${process.pid}` : `process ${process.pid}, worker thread ${threadId}`;
  say([`registered in ${place}, Node ${process.versions.node}; sinks: ${sinks.map(({ name }) => name).join(", ")}`]);
  process.on("exit", () => say([`${place} ends: ${JSON.stringify(tap.stats())}`]));
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const message = error.message.replace(/^llm-tap: /, "");
  return cause instanceof Error && cause.message !== "" ? `${message}: ${cause.message}` : message;
}

function say(lines: readonly string[]): void {
  for (const line of lines) warn(`llm-tap: ${line}`);
}
