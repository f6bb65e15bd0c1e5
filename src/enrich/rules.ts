/** Rules: for every field of a type, what passes of it. A field without a rule does not compile, and does not pass. */
import type { Gate, Place } from "./gate.ts";

/** `undefined` leaves the field out. */
export type Rule<Value> = (value: Value, gate: Gate, place: Place) => Value | undefined;

export type Rules<T> = { readonly [Key in keyof Required<T>]: Rule<Required<T>[Key]> };

interface FieldRule {
  readonly field: string;
  readonly rule: Rule<unknown>;
}

/** Tables as lists: what an app may have added to the prototype of all objects is not in them. */
const lists = new WeakMap<object, readonly FieldRule[]>();

function listRules(rules: object): readonly FieldRule[] {
  let list = lists.get(rules);
  if (list === undefined) {
    list = Object.entries(rules).map(([field, rule]) => ({ field, rule: rule as Rule<unknown> }));
    lists.set(rules, list);
  }
  return list;
}

/** A new object of what the rules let pass. Fields are looked at in the order of the table. */
export function applyRules<T extends object>(source: T, rules: Rules<T>, gate: Gate, place: Place): T {
  const from = source as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const { field, rule } of listRules(rules)) {
    const value = from[field];
    if (value === undefined || value === null) continue;
    const kept = rule(value, gate, place);
    if (kept !== undefined) result[field] = kept;
  }
  return result as T;
}

/** For values of our own making: enumerations, ids, what the app set on purpose. */
export function keep<Value>(value: Value): Value {
  return value;
}

/** A count, a size, a time: nothing but a number passes. */
export function keepNumber(value: number): number | undefined {
  return typeof value === "number" ? value : undefined;
}

export function keepBoolean(value: boolean): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

export function keepIdentifier(value: string, gate: Gate, place: Place): string | undefined {
  return gate.identifier(value, place);
}

export function keepText(value: string, gate: Gate, place: Place): string | undefined {
  return gate.text(value, place);
}

export function keepJson(value: unknown, gate: Gate, place: Place): unknown {
  return gate.json(value, place);
}

export function nested<T extends object>(rules: Rules<T>): Rule<T> {
  return (value, gate, place) => applyRules(value, rules, gate, place);
}

/** At another place than the record around it. */
export function at<Value>(place: Place, rule: Rule<Value>): Rule<Value> {
  return (value, gate) => rule(value, gate, place);
}

/** Entries whose keys come from the wire: numbers under names. */
export function keepNumbersByName<Value>(rule: (value: Value, gate: Gate, place: Place) => Value | undefined) {
  return (entries: Record<string, Value>, gate: Gate, place: Place): Record<string, Value> | undefined => {
    const kept: Record<string, Value> = {};
    let any = false;
    for (const name in entries) {
      const value = entries[name] as Value;
      if (!Object.hasOwn(entries, name)) continue;
      if (!/^[A-Za-z][\w.-]{0,63}$/.test(name)) continue;
      const entry = rule(value, gate, place);
      if (entry === undefined) continue;
      kept[name] = entry;
      any = true;
    }
    return any ? kept : undefined;
  };
}
