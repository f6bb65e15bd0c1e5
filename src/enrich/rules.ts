/** Rules: for every field of a type, what passes of it. A field without a rule does not compile, and does not pass. */
import type { Gate, Place } from "./gate.ts";

/** `undefined` leaves the field out. */
export type Rule<Value> = (value: Value, gate: Gate, place: Place) => Value | undefined;

export type Rules<T> = { readonly [Key in keyof Required<T>]: Rule<Required<T>[Key]> };

type Table = ReadonlyMap<string, Rule<unknown>>;

/** Tables as maps: what an app may have added to the prototype of all objects is not in them. */
const tables = new WeakMap<object, Table>();

function tableOf(rules: object): Table {
  let table = tables.get(rules);
  if (table === undefined) {
    table = new Map(Object.entries(rules) as [string, Rule<unknown>][]);
    tables.set(rules, table);
  }
  return table;
}

/**
 * What the rules let pass: the object itself where that is all of it, else a new one. Fields are looked at in the order in
 * which they stand.
 */
export function applyRules<T extends object>(source: T, rules: Rules<T>, gate: Gate, place: Place): T {
  const table = tableOf(rules);
  const from = source as Record<string, unknown>;
  let result: Record<string, unknown> | undefined;
  for (const field in from) {
    const value = from[field];
    const rule = value === undefined || value === null ? undefined : table.get(field);
    const kept = rule?.(value, gate, place);
    if (result === undefined) {
      if (kept === value && kept !== undefined) continue;
      result = copyBefore(from, field);
    }
    if (kept !== undefined) result[field] = kept;
  }
  return (result ?? source) as T;
}

function copyBefore(source: Record<string, unknown>, end: string): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const field in source) {
    if (field === end) break;
    copy[field] = source[field];
  }
  return copy;
}

/** The same for a list. `undefined` leaves an item out. */
export function keepEach<Item>(items: Item[], keepItem: (item: Item) => Item | undefined): Item[] {
  let result: Item[] | undefined;
  for (let index = 0; index < items.length; index += 1) {
    const item = items[index] as Item;
    const kept = keepItem(item);
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
  return (value, gate, place) => applyRules(value, rules, gate, place);
}

/** At another place than the record around it. */
export function at<Value>(place: Place, rule: Rule<Value>): Rule<Value> {
  return (value, gate) => rule(value, gate, place);
}

const ENTRY_NAME = /^[A-Za-z][\w.-]{0,63}$/;

/** Entries whose keys come from the wire: numbers under names. */
export function keepNumbersByName<Value>(rule: (value: Value, gate: Gate, place: Place) => Value | undefined) {
  return (entries: Record<string, Value>, gate: Gate, place: Place): Record<string, Value> | undefined => {
    const kept: Record<string, Value> = {};
    let any = false;
    for (const name in entries) {
      const value = entries[name] as Value;
      if (!Object.hasOwn(entries, name) || !ENTRY_NAME.test(name)) continue;
      const entry = rule(value, gate, place);
      if (entry === undefined) continue;
      kept[name] = entry;
      any = true;
    }
    return any ? kept : undefined;
  };
}
