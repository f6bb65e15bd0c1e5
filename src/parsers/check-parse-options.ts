/** Checks the options of `parseExchange`: a wrong one fails at once, with a message that says what to do. */

type Check = (value: unknown) => boolean;

const isBoolean: Check = (value) => typeof value === "boolean";
const isFunction: Check = (value) => typeof value === "function";
const isObject: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isLength: Check = (value) => typeof value === "number" && value > 0;

const flag: readonly [Check, string] = [isBoolean, "true or false"];
const length: readonly [Check, string] = [isLength, "a number of characters above 0"];

/** `hosts` is checked by the router, which reads it. */
const CHECKS: Readonly<Record<string, readonly [check: Check, expected: string]>> = {
  hosts: [() => true, ""],
  contentLimit: length,
  interrupted: flag,
  findParser: [isFunction, "a function (api) => Parser | undefined"],
  privacyMode: flag,
  excludeInput: flag,
  excludeOutput: flag,
  captureMedia: flag,
  redact: [isFunction, "a function (text, where) => string"],
  redactPii: flag,
  maxContentLength: length,
  context: [isObject, 'an object like { userId: "u-1" }'],
};

/** @throws TypeError that names the option, what was expected and what to do */
export function checkParseOptions(options: unknown): void {
  if (!isObject(options)) {
    throw new TypeError("parseExchange: the options must be one object like { privacyMode: true }.");
  }
  for (const [name, value] of Object.entries(options as Record<string, unknown>)) {
    const [check, expected] = (Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined) ?? [];
    if (check === undefined) {
      const near = Object.keys(CHECKS).find((known) => known.toLowerCase() === name.toLowerCase());
      const advice = near === undefined ? `Known are ${Object.keys(CHECKS).join(", ")}` : `Did you mean \`${near}\``;
      throw new TypeError(`parseExchange knows no option \`${name}\`. ${advice}${near === undefined ? "." : "?"}`);
    }
    if (value !== undefined && !check(value)) {
      throw new TypeError(`parseExchange: \`${name}\` must be ${expected}, got a value of type ${typeof value}.`);
    }
  }
}
