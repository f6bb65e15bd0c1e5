/** The shapes that the files of the Amplitude sink share. */
import type { TapRecord } from "../../types.ts";

/**
 * One event as Amplitude's HTTP V2 and batch APIs and its SDK's `track()` take it.
 *
 * @see https://amplitude.com/docs/apis/analytics/http-v2
 */
export interface AmplitudeEvent {
  event_type: string;
  event_properties: Record<string, unknown>;
  user_id?: string;
  device_id?: string;
  /** Start of the session, a number. */
  session_id?: number;
  /** Epoch milliseconds, whole. */
  time: number;
  /** Amplitude drops an event whose `insert_id` and `device_id` it has seen in the last 7 days. */
  insert_id: string;
  groups?: Record<string, string | string[]>;
  library?: string;
}

/** What is known of the properties of a family of events. */
export interface EventShape {
  /** Names that properties of the app's own can't take. */
  reserved: ReadonlySet<string>;
  /** Properties that hold content. They go first when an event is too large. */
  content: ReadonlySet<string>;
  /** What becomes of a long text in each property. Default: cut at 1,024 characters, with a marker. */
  texts: ReadonlyMap<string, TextRule>;
}

/**
 * `pieces`: a list of strings that join with nothing between them. `whole`: left as it is, for what Amplitude does not
 * cut. `json`: the value as JSON text that still parses after it was made to fit.
 */
export type TextRule = "pieces" | "whole" | "json";

/** One event that a schema makes of a record, before anything is cut to Amplitude's limits. */
export interface SchemaEvent {
  eventType: string;
  /** Values as they are in the record; `undefined` is left out of the event. */
  properties: Record<string, unknown>;
  /** Tells events of one type and one record apart, the same each time. */
  key?: string;
  /** Epoch milliseconds. Default: the start of the call or span. */
  time?: number;
  shape: EventShape;
}

/** Makes events of a record: none, one, or several. Never throws. */
export type Schema = (record: TapRecord) => readonly SchemaEvent[];

/** What a function given as `schema` makes of a record. */
export interface AmplitudeSchemaEvent {
  /** At least one character; Amplitude keeps names that start with `[Amplitude]` to itself. */
  eventType: string;
  /** Absent values are left out, long strings cut. */
  properties: Record<string, unknown>;
}

/** A schema of your own. It gets the record as it is: change nothing in it. */
export type AmplitudeSchemaFunction = (
  record: TapRecord,
) => AmplitudeSchemaEvent | readonly AmplitudeSchemaEvent[] | undefined;

/** An event that is final and already serialised. */
export interface PreparedEvent {
  event: AmplitudeEvent;
  json: string;
  /** UTF-8 bytes of `json`. */
  bytes: number;
  shape: EventShape;
}
