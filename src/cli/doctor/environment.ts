/** What `llm-tap/register` would make of the environment; values that are secret are not shown. */
import { type Environment, readSettings, readVariable, type VariableName, VARIABLES } from "../../register/settings.ts";
import { fact, type Line, no, note, yes } from "../report.ts";

export function describeEnvironment(environment: Environment): Line[] {
  const names = Object.keys(VARIABLES) as VariableName[];
  const lines = names.flatMap((name) => describeVariable(environment, name));
  const { settings, warnings } = readSettings(environment);
  // What a variable alone can't tell: those that don't go together, and those that nobody knows.
  const alone = new Set(lines.map(({ text }) => text));
  for (const warning of warnings) if (!alone.has(warning)) lines.push(note(warning));
  if (lines.length === 0) lines.push(fact("no variable is set"));
  const sinks = settings.sinks.map((sink) => (sink.kind === "jsonl" ? `jsonl (${sink.path})` : sink.kind));
  const result = settings.isDisabled
    ? "register would do nothing: LLM_TAP_DISABLED"
    : sinks.length === 0
      ? "register would do nothing: no sink is left"
      : `register would send records to ${sinks.join(", ")}`;
  lines.push(fact(result));
  return lines;
}

function describeVariable(environment: Environment, name: VariableName): Line[] {
  const reading = readVariable(environment, name);
  if (reading === undefined) return [];
  const { expected, otherwise = "ignored", purpose } = VARIABLES[name];
  if (reading.problems.length > 0) {
    return reading.problems.map((problem) => no(`${name}: ${problem}; expected ${expected} (${otherwise})`));
  }
  return [yes(`${name} = ${showValue(environment, name)} (${purpose})`)];
}

function showValue(environment: Environment, name: VariableName): string {
  const text = environment[name]?.trim() ?? "";
  if (VARIABLES[name].isSecret === true) return `set, ${text.length} characters`;
  if (name !== "AMPLITUDE_SERVER_URL") return text;
  const url = new URL(text);
  return `${url.origin}${url.pathname}`;
}
