/** An OTLP/HTTP receiver on the loopback interface: takes JSON and protobuf, and keeps what came as plain objects. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { decodeOtlp } from "./protobuf.ts";

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  /** Nanoseconds since the epoch. */
  start: bigint;
  end: bigint;
  attributes: Record<string, unknown>;
  status: { code?: number; message?: string };
  scope: { name: string; version?: string };
}

export interface ReceivedLog {
  eventName: string;
  severityNumber: number;
  time: bigint;
  traceId?: string;
  spanId?: string;
  attributes: Record<string, unknown>;
}

export interface ReceivedPoint {
  metric: string;
  unit: string;
  attributes: Record<string, unknown>;
  /** Of a counter. */
  value?: number;
  /** Of a histogram. */
  count?: number;
  sum?: number;
  bounds?: number[];
}

export interface OtlpServer {
  origin: string;
  spans: ReceivedSpan[];
  logs: ReceivedLog[];
  points: ReceivedPoint[];
  /** Content types that came. */
  contentTypes: Set<string>;
  /** What could not be read. */
  errors: unknown[];
  /** A status for all that comes, or no answer at all. */
  fault: number | "hang" | undefined;
  requests: number;
  close(): Promise<void>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- read by hand, as OTLP's JSON has it
type Json = any;

export async function startOtlpServer(): Promise<OtlpServer> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.requests += 1;
      if (received.fault === "hang") return;
      const path = request.url ?? "";
      const type = request.headers["content-type"] ?? "";
      received.contentTypes.add(type);
      if (received.fault !== undefined) {
        response.writeHead(received.fault).end();
        return;
      }
      try {
        const raw = Buffer.concat(chunks);
        const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
        const body: Json = type.includes("protobuf") ? decodeOtlp(path, bytes) : JSON.parse(bytes.toString());
        READERS[path]?.(body, received);
        response.writeHead(200, { "content-type": type }).end(type.includes("protobuf") ? "" : "{}");
      } catch (error) {
        received.errors.push(error);
        response.writeHead(400).end();
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const received: OtlpServer = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    logs: [],
    points: [],
    contentTypes: new Set(),
    errors: [],
    fault: undefined,
    requests: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return received;
}

const READERS: Readonly<Record<string, (body: Json, received: OtlpServer) => void>> = {
  "/v1/traces"(body, { spans }) {
    for (const { scope, item } of each(body.resourceSpans, "scopeSpans", "spans")) {
      spans.push({
        traceId: item.traceId,
        spanId: item.spanId,
        ...(item.parentSpanId && { parentSpanId: item.parentSpanId }),
        name: item.name,
        kind: item.kind,
        start: BigInt(item.startTimeUnixNano),
        end: BigInt(item.endTimeUnixNano),
        attributes: readAttributes(item.attributes),
        status: item.status ?? {},
        scope,
      });
    }
  },
  "/v1/logs"(body, { logs }) {
    for (const { item } of each(body.resourceLogs, "scopeLogs", "logRecords")) {
      logs.push({
        eventName: item.eventName,
        severityNumber: item.severityNumber,
        time: BigInt(item.timeUnixNano),
        traceId: item.traceId,
        spanId: item.spanId,
        attributes: readAttributes(item.attributes),
      });
    }
  },
  "/v1/metrics"(body, { points }) {
    for (const { item } of each(body.resourceMetrics, "scopeMetrics", "metrics")) {
      for (const point of (item.histogram ?? item.sum).dataPoints) {
        points.push({
          metric: item.name,
          unit: item.unit,
          attributes: readAttributes(point.attributes),
          ...(item.sum !== undefined && { value: Number(point.asInt ?? point.asDouble) }),
          ...(item.histogram !== undefined && {
            count: Number(point.count),
            sum: point.sum,
            bounds: point.explicitBounds,
          }),
        });
      }
    }
  },
};

function* each(resources: Json, scopes: string, items: string): Generator<{ scope: Json; item: Json }> {
  for (const resource of resources ?? []) {
    for (const scoped of resource[scopes]) for (const item of scoped[items]) yield { scope: scoped.scope, item };
  }
}

function readAttributes(attributes: Json): Record<string, unknown> {
  return Object.fromEntries((attributes ?? []).map(({ key, value }: Json) => [key, readValue(value)]));
}

function readValue(value: Json): unknown {
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(readValue);
  if (value.kvlistValue !== undefined) return readAttributes(value.kvlistValue.values);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
