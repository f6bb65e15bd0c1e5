/**
 * Reads OTLP's protobuf by the published field numbers, strictly: a field that is not in these tables, or of another wire
 * type, is an error. What comes out has the shape of OTLP's JSON.
 *
 * @see https://github.com/open-telemetry/opentelemetry-proto
 */
import { Buffer } from "node:buffer";

type Kind =
  | "string"
  | "hex"
  | "varint"
  | "bool"
  | "double"
  | "fixed64"
  | "fixed32"
  | "doubles"
  | "fixed64s"
  | "skip"
  | Schema;

interface Field {
  name: string;
  kind: Kind | (() => Schema);
  isList?: boolean;
}

type Schema = Readonly<Record<number, Field>>;

const one = (name: string, kind: Field["kind"]): Field => ({ name, kind });
const many = (name: string, kind: Field["kind"]): Field => ({ name, kind, isList: true });

const anyValue: Schema = {
  1: one("stringValue", "string"),
  2: one("boolValue", "bool"),
  3: one("intValue", "varint"),
  4: one("doubleValue", "double"),
  5: one("arrayValue", () => ({ 1: many("values", anyValue) })),
  6: one("kvlistValue", () => ({ 1: many("values", keyValue) })),
};
const keyValue: Schema = { 1: one("key", "string"), 2: one("value", anyValue) };
const resource: Schema = { 1: many("attributes", keyValue), 2: one("droppedAttributesCount", "varint") };
const scope: Schema = {
  1: one("name", "string"),
  2: one("version", "string"),
  3: many("attributes", keyValue),
  4: one("droppedAttributesCount", "varint"),
};

const span: Schema = {
  1: one("traceId", "hex"),
  2: one("spanId", "hex"),
  3: one("traceState", "string"),
  4: one("parentSpanId", "hex"),
  5: one("name", "string"),
  6: one("kind", "varint"),
  7: one("startTimeUnixNano", "fixed64"),
  8: one("endTimeUnixNano", "fixed64"),
  9: many("attributes", keyValue),
  10: one("droppedAttributesCount", "varint"),
  12: one("droppedEventsCount", "varint"),
  14: one("droppedLinksCount", "varint"),
  15: one("status", { 2: one("message", "string"), 3: one("code", "varint") }),
  16: one("flags", "fixed32"),
};

const logRecord: Schema = {
  1: one("timeUnixNano", "fixed64"),
  2: one("severityNumber", "varint"),
  3: one("severityText", "string"),
  5: one("body", anyValue),
  6: many("attributes", keyValue),
  7: one("droppedAttributesCount", "varint"),
  8: one("flags", "fixed32"),
  9: one("traceId", "hex"),
  10: one("spanId", "hex"),
  11: one("observedTimeUnixNano", "fixed64"),
  12: one("eventName", "string"),
};

const numberPoint: Schema = {
  2: one("startTimeUnixNano", "fixed64"),
  3: one("timeUnixNano", "fixed64"),
  4: one("asDouble", "double"),
  5: one("exemplars", "skip"),
  6: one("asInt", "fixed64"),
  7: many("attributes", keyValue),
  8: one("flags", "varint"),
};

const histogramPoint: Schema = {
  2: one("startTimeUnixNano", "fixed64"),
  3: one("timeUnixNano", "fixed64"),
  4: one("count", "fixed64"),
  5: one("sum", "double"),
  6: one("bucketCounts", "fixed64s"),
  7: one("explicitBounds", "doubles"),
  8: one("exemplars", "skip"),
  9: many("attributes", keyValue),
  10: one("flags", "varint"),
  11: one("min", "double"),
  12: one("max", "double"),
};

const metric: Schema = {
  1: one("name", "string"),
  2: one("description", "string"),
  3: one("unit", "string"),
  7: one("sum", {
    1: many("dataPoints", numberPoint),
    2: one("aggregationTemporality", "varint"),
    3: one("isMonotonic", "bool"),
  }),
  9: one("histogram", { 1: many("dataPoints", histogramPoint), 2: one("aggregationTemporality", "varint") }),
};

function request(resources: string, scopes: string, items: string, item: Schema): Schema {
  const scoped: Schema = { 1: one("scope", scope), 2: many(items, item), 3: one("schemaUrl", "string") };
  return {
    1: many(resources, { 1: one("resource", resource), 2: many(scopes, scoped), 3: one("schemaUrl", "string") }),
  };
}

/** Export requests by the path that they are sent to. */
const REQUESTS: Readonly<Record<string, Schema>> = {
  "/v1/traces": request("resourceSpans", "scopeSpans", "spans", span),
  "/v1/logs": request("resourceLogs", "scopeLogs", "logRecords", logRecord),
  "/v1/metrics": request("resourceMetrics", "scopeMetrics", "metrics", metric),
};

/** @throws Error for what is no request of that path. */
export function decodeOtlp(path: string, bytes: Buffer): Record<string, unknown> {
  const schema = REQUESTS[path];
  if (schema === undefined) throw new Error(`no such path: ${path}`);
  return decodeMessage(bytes, schema, path);
}

function decodeMessage(bytes: Buffer, schema: Schema, where: string): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  let at = 0;
  function varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new Error(`${where}: a varint breaks off`);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
  }
  function take(length: number): Buffer {
    if (at + length > bytes.length) throw new Error(`${where}: a field breaks off`);
    return bytes.subarray(at, (at += length));
  }

  while (at < bytes.length) {
    const tag = Number(varint());
    const field = schema[tag >> 3];
    const wire = tag & 7;
    if (field === undefined) throw new Error(`${where}: unknown field ${tag >> 3}`);
    const raw = wire === 0 ? varint() : take(wire === 1 ? 8 : wire === 5 ? 4 : Number(varint()));
    const kind = typeof field.kind === "function" ? field.kind() : field.kind;
    const value = decodeValue(raw, wire, kind, `${where}.${field.name}`);
    if (field.isList === true) ((message[field.name] ??= []) as unknown[]).push(value);
    else message[field.name] = value;
  }
  return message;
}

const WIRE_TYPES: Readonly<Record<Exclude<Kind, Schema>, number>> = {
  string: 2,
  hex: 2,
  varint: 0,
  bool: 0,
  double: 1,
  fixed64: 1,
  fixed32: 5,
  doubles: 2,
  fixed64s: 2,
  skip: 2,
};

function decodeValue(raw: bigint | Buffer, wire: number, kind: Kind, where: string): unknown {
  const expected = typeof kind === "string" ? WIRE_TYPES[kind] : 2;
  if (wire !== expected) throw new Error(`${where}: wire type ${wire}, not ${expected}`);
  if (typeof raw === "bigint") return kind === "bool" ? raw !== 0n : Number(raw);
  const list = (read: (offset: number) => unknown): unknown[] =>
    Array.from({ length: raw.length / 8 }, (_, index) => read(index * 8));
  switch (kind) {
    case "string":
      return new TextDecoder("utf-8", { fatal: true }).decode(raw);
    case "hex":
      return raw.toString("hex");
    case "double":
      return raw.readDoubleLE();
    case "fixed64":
      return raw.readBigUInt64LE().toString();
    case "fixed32":
      return raw.readUInt32LE();
    case "doubles":
      return list((offset) => raw.readDoubleLE(offset));
    case "fixed64s":
      return list((offset) => Number(raw.readBigUInt64LE(offset)));
    case "skip":
      return undefined;
    default:
      return decodeMessage(raw, kind as Schema, where);
  }
}
