/** From a record to an event that is final: within Amplitude's limits, a snapshot, serialised. */
import type { TapRecord } from "../../types.ts";
import { copyJson, wellFormed } from "../shared/copy-json.ts";
import { buildEnvelope } from "./envelope.ts";
import { fitJson } from "./fit-json.ts";
import { LIBRARY_NAME, LIBRARY_VERSION } from "../shared/library.ts";
import { NOTE_LATE } from "../shared/notes.ts";
import { cutText, MAX_DEPTH, MAX_STRING_LENGTH, splitText } from "./limits.ts";
import type { AmplitudeEvent, EventShape, PreparedEvent, Schema, SchemaEvent, TextRule } from "./types.ts";

export interface PrepareOptions {
  schema: Schema;
  /** The device of calls without a user. */
  deviceId: string;
  /** UTF-8 bytes of one event. */
  maxEventBytes: number;
}

/** Says what was taken out of an event to make it fit. */
const TRUNCATED = "ai_truncated";

/** Amplitude no longer knows whether it had this event: it may be there twice. */
const LATE = "ai_late";

/** Properties of the app's own that are kept; the SDK refuses an event with more. */
const MAX_APP_PROPERTIES = 1000;

/** How much of each text and each list is kept, from all of it to next to nothing. */
interface Extent {
  characters: number;
  items: number;
}

const EXTENTS: readonly Extent[] = [
  { characters: Number.POSITIVE_INFINITY, items: Number.POSITIVE_INFINITY },
  { characters: 65_536, items: 512 },
  { characters: 16_384, items: 128 },
  { characters: 4_096, items: 64 },
  { characters: 1_024, items: 24 },
  { characters: 256, items: 8 },
];

/**
 * @returns the function that makes events of a record. It never throws; an event that would be too large keeps its
 * facts and loses content, step by step, and says so in `ai_truncated`.
 */
export function createEventPreparer(options: PrepareOptions): (record: TapRecord) => PreparedEvent[] {
  const { schema, deviceId, maxEventBytes } = options;

  function prepareEvent(made: SchemaEvent, record: TapRecord): PreparedEvent {
    const { eventType, properties, shape } = made;
    const envelope = buildEnvelope(record.context, deviceId);
    const appProperties = readAppProperties(record.context.properties, shape);
    const longProperties = pickLong(properties, shape);

    function build(extent: Extent): PreparedEvent {
      const copied: Record<string, unknown> = {};
      copyProperties(properties, copied, extent, shape);
      copyProperties(envelope.properties, copied, extent);
      copyProperties(appProperties, copied, extent);
      if (record.capture.notes.includes(NOTE_LATE)) copied[LATE] = true;
      if (extent !== EXTENTS[0])
        copied[TRUNCATED] = `texts over ${extent.characters} characters, lists over ${extent.items} items`;
      return serialise(
        {
          event_type: eventType,
          ...envelope.fields,
          time: Math.round(made.time ?? record.timing.startedAt),
          insert_id: insertId(record, made),
          library: `${LIBRARY_NAME}/${LIBRARY_VERSION}`,
          event_properties: copied,
        },
        shape,
      );
    }

    let smallest: PreparedEvent | undefined;
    for (const extent of EXTENTS) {
      // Megabytes that can't fit are not copied first to find out.
      if (
        !mayFit(longProperties, extent, maxEventBytes) ||
        !mayFit(appProperties, { ...extent, characters: MAX_STRING_LENGTH }, maxEventBytes)
      ) {
        continue;
      }
      smallest = build(extent);
      if (smallest.bytes <= maxEventBytes) return smallest;
    }
    return reduceToFacts(smallest ?? build(EXTENTS[EXTENTS.length - 1] as Extent));
  }

  return (record) => schema(record).map((made) => prepareEvent(made, record));
}

/** The same event without content and without the app's own properties. */
export function reduceToFacts({ event, shape }: PreparedEvent): PreparedEvent {
  const properties: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event.event_properties)) {
    if ((shape.reserved.has(name) && !shape.content.has(name)) || name === LATE) properties[name] = value;
  }
  properties[TRUNCATED] = "content and properties of the app";
  return serialise({ ...event, event_properties: properties }, shape);
}

/** Whether `reduceToFacts` has been here. */
export function isReducedToFacts(prepared: PreparedEvent): boolean {
  return prepared.event.event_properties[TRUNCATED] === "content and properties of the app";
}

/** @param event holds JSON data only. */
export function serialise(event: AmplitudeEvent, shape: EventShape): PreparedEvent {
  const json = JSON.stringify(event);
  return { event, json, bytes: Buffer.byteLength(json), shape };
}

/** The same for a record whenever and however often it is sent. */
function insertId(record: TapRecord, { eventType, key }: SchemaEvent): string {
  return key === undefined ? `${record.id}:${eventType}` : `${record.id}:${eventType}:${key}`;
}

function readAppProperties(given: unknown, shape: EventShape): Record<string, unknown> {
  if (typeof given !== "object" || given === null) return {};
  const result: Record<string, unknown> = {};
  let count = 0;
  for (const key of Object.keys(given)) {
    if (shape.reserved.has(key) || key === "__proto__") continue;
    if (++count > MAX_APP_PROPERTIES) break;
    try {
      result[key] = (given as Record<string, unknown>)[key];
    } catch {
      // A getter of the app's own that throws is a property without a value.
    }
  }
  return result;
}

function copyProperties(
  from: Record<string, unknown>,
  to: Record<string, unknown>,
  extent: Extent,
  shape?: EventShape,
): void {
  for (const name of Object.keys(from)) {
    if (Object.hasOwn(to, name)) continue;
    const value = from[name];
    if (value === undefined || value === null) continue;
    const rule = shape?.texts.get(name);
    const copied = rule === "json" ? fitJson(value) : copyValue(value, extent, rule);
    if (copied !== undefined && copied !== null) to[name] = copied;
  }
}

function copyValue(value: unknown, extent: Extent, rule: TextRule | undefined): unknown {
  if (typeof value === "number" || typeof value === "boolean") return finite(value);
  const text = (content: string): unknown => {
    if (rule === "pieces") return splitText(shorten(content, extent));
    return rule === "whole" ? wellFormed(shorten(content, extent)) : cutText(content);
  };
  if (typeof value === "string") return text(value);
  return copyJson(value, {
    text,
    list: (items) => keepEnds(items, extent.items),
    maxDepth: MAX_DEPTH,
    maxValues: 100_000,
  });
}

function finite(value: number | boolean): number | boolean | undefined {
  return typeof value === "number" && !Number.isFinite(value) ? undefined : value;
}

function shorten(text: string, extent: Extent): string {
  return text.length <= extent.characters ? text : cutText(text, extent.characters);
}

/** The first item (often the instructions) and the last ones (what this call is about). */
function keepEnds(items: readonly unknown[], limit: number): readonly unknown[] {
  if (items.length <= limit) return items;
  const last = items.slice(items.length - (limit - 1));
  return [items[0], { omitted: items.length - limit }, ...last];
}

/** The properties whose texts are kept at any length: the rest is short, however long it is in the record. */
function pickLong(properties: Record<string, unknown>, { texts }: EventShape): Record<string, unknown> {
  const isLong = (name: string): boolean => texts.get(name) === "pieces" || texts.get(name) === "whole";
  return Object.fromEntries(Object.entries(properties).filter(([name]) => isLong(name)));
}

/** A lower bound on the size of a value, abandoned as soon as it is over `limit`: its cost is bounded by the limit. */
function mayFit(value: unknown, extent: Extent, limit: number): boolean {
  let left = limit;
  function measure(item: unknown, depth: number): void {
    left -= 2;
    if (typeof item === "string") left -= Math.min(item.length, extent.characters);
    else if (typeof item === "object" && item !== null && depth < MAX_DEPTH) {
      if (Array.isArray(item)) {
        const skipTo = item.length <= extent.items ? 1 : item.length - (extent.items - 1);
        if (item.length > 0) measure(item[0], depth + 1);
        for (let index = skipTo; index < item.length && left >= 0; index++) measure(item[index], depth + 1);
      } else if (!ArrayBuffer.isView(item)) {
        for (const key of Object.keys(item)) {
          if (left < 0) return;
          left -= key.length;
          measure((item as Record<string, unknown>)[key], depth + 1);
        }
      }
    }
  }
  try {
    measure(value, 0);
  } catch {
    // A getter threw; the copy knows what to do with it.
  }
  return left >= 0;
}
