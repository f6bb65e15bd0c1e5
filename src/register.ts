/**
 * `node --import llm-tap/register app.js`, also in NODE_OPTIONS: taps the whole process without a change of code, as the
 * environment variables of `register/settings.ts` say. With none set, each call is one line on stderr, without content.
 */
import process from "node:process";
import { loadSync, warn } from "./platform/node.ts";
import { isOwnWorker } from "./register/own-worker.ts";

/** Loaded from two places, or by two copies of the package, it registers once. */
const REGISTERED = Symbol.for("llm-tap.register.1");

/** Switched off, a process pays nothing but this file; a value that is not as plain is read, and warned of, below. */
const isDisabled = /^(?:1|true)$/i.test(process.env["LLM_TAP_DISABLED"] ?? "");

if (!isDisabled && !isOwnWorker() && !Object.hasOwn(globalThis, REGISTERED)) {
  Object.defineProperty(globalThis, REGISTERED, { value: true });
  try {
    const room = loadSync(new URL("register/register.js", import.meta.url)) as typeof import("./register/register.ts");
    room.register(process.env);
  } catch (error) {
    // The app starts as it would without.
    warn(`llm-tap: not started: ${String(error)}`);
  }
}
