/**
 * `node --import llm-tap/register app.js`, also in NODE_OPTIONS: taps the whole process without a change of code, as the
 * environment variables of `register/settings.ts` say. With none set, each call is one line on stderr, without content.
 */
import process from "node:process";
import { isOwnWorker } from "./register/own-worker.ts";
import { register } from "./register/register.ts";

/** Loaded from two places, or by two copies of the package, it registers once. */
const REGISTERED = Symbol.for("llm-tap.register.1");

if (!isOwnWorker() && !Object.hasOwn(globalThis, REGISTERED)) {
  Object.defineProperty(globalThis, REGISTERED, { value: true });
  register(process.env);
}
