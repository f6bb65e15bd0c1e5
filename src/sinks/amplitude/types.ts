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

/** What a schema makes of a record, before anything is cut to Amplitude's limits. */
export interface SchemaEvent {
  eventType: string;
  /** Values as they are in the record; `undefined` is left out of the event. */
  properties: Record<string, unknown>;
}

/** A family of event names and properties. */
export interface Schema {
  name: string;
  /** Names that properties of the app's own can't take. */
  reserved: ReadonlySet<string>;
  /** Properties that hold content: their long texts are kept, in pieces; those of all others are cut. */
  contentProperties: ReadonlySet<string>;
  map(record: TapRecord): SchemaEvent;
}

/** An event that is final and already serialised. */
export interface PreparedEvent {
  event: AmplitudeEvent;
  json: string;
  /** UTF-8 bytes of `json`. */
  bytes: number;
}
