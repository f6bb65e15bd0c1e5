/** Rules: for every field of a type, what passes of it. A field without a rule does not compile, and does not pass. */
import type { Gate, Place } from "./gate.ts";

/** `undefined` leaves the field out. */
export type Rule<Value> = (value: Value, gate: Gate, place: Place) => Value | undefined;

export type Rules<T> = { readonly [Key in keyof Required<T>]: Rule<Required<T>[Key]> };

declare const ruled: unique symbol;

/** Rules as a map: what an app may have added to the prototype of all objects is not in it. */
export type RuleTable<T> = ReadonlyMap<string, Rule<unknown>> & { readonly [ruled]?: T };

export function defineRules<T>(rules: Rules<T>): RuleTable<T> {
  return new Map(Object.entries(rules) as [string, Rule<unknown>][]);
}

/**
 * What the rules let pass: the object itself where that is all of it, else a new one. Fields are looked at in the order in
 * which they stand.
 */
export function applyRules<T extends object>(source: T, rules: RuleTable<T>, gate: Gate, place: Place): T {
  const from = source as Record<string, unknown>;
  let result: Record<string, unknown> | undefined;
  for (const field in from) {
    const value = from[field];
    const rule = value === undefined || value === null ? undefined : rules.get(field);
    // Most fields pass as they are: a call for each would be most of the work.
    let kept: unknown;
    if (rule === keep || (rule === keepNumber && typeof value === "number")) kept = value;
    else if (rule === keepIdentifier) kept = gate.identifier(value as string, place);
    else kept = rule?.(value, gate, place);
    if (result === undefined) {
      if (kept === value && kept !== undefined) continue;
      result = copyBefore(from, field);
    }
    if (kept !== undefined) result[field] = kept;
  }
  return (result ?? source) as T;
}

/** The fields before one. */
export function copyBefore(source: Record<string, unknown>, end: string): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const field in source) {
    if (field === end) break;
    copy[field] = source[field];
  }
  return copy;
}

/** The same for a list. `undefined` leaves an item out. */
export function keepEach<Item>(items: Item[], keepItem: (item: Item, index: number) => Item | undefined): Item[] {
  let result: Item[] | undefined;
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index] as Item;
    const kept = keepItem(item, index);
    if (result === undefined) {
      if (kept === item) continue;
      result = items.slice(0, index);
    }
    if (kept !== undefined) result.push(kept);
  }
  return result ?? items;
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
  const table = defineRules(rules);
  return (value, gate, place) => applyRules(value, table, gate, place);
}

/** At another place than the record around it. */
export function at<Value>(place: Place, rule: Rule<Value>): Rule<Value> {
  return (value, gate) => rule(value, gate, place);
}

/** For a field around the messages of a request, which may be there again and again. */
export function onceKnown<Value>(field: string, rule: Rule<Value>): Rule<Value> {
  return (value, gate, place) => {
    const passed = gate.passed?.fields;
    if (passed?.has(field) === true) return value;
    const kept = rule(value, gate, place);
    if (kept === value) passed?.add(field);
    return kept;
  };
}

const ENTRY_NAME = /^[A-Za-z][\w.-]{0,63}$/;

/** Entries whose keys come from the wire: numbers under names. */
export function keepNumbersByName<Value>(rule: (value: Value, gate: Gate, place: Place) => Value | undefined) {
  return (entries: Record<string, Value>, gate: Gate, place: Place): Record<string, Value> | undefined => {
    let kept: Record<string, unknown> | undefined;
    let any = false;
    for (const name in entries) {
      const value = entries[name] as Value;
      const isNamed = Object.hasOwn(entries, name) && ENTRY_NAME.test(name);
      const entry = isNamed ? rule(value, gate, place) : undefined;
      if (kept === undefined && entry !== value) kept = copyBefore(entries, name);
      if (entry === undefined) continue;
      if (kept !== undefined) kept[name] = entry;
      any = true;
    }
    return any ? ((kept ?? entries) as Record<string, Value>) : undefined;
  };
}
