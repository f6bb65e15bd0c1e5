/**
 * Exchanges of every API as servers send them, odd ones too: `test/fixtures/wire/<provider>.jsonl`, one a line, written by
 * hand. Each says which facts its record has to hold; `expected: null` is no call. A body is `json`, `text`, `base64`, or
 * `messages` of an AWS event stream. Cut into chunks an answer has to read the same.
 */
import { EventStreamCodec } from "@smithy/eventstream-codec";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseExchange, type LlmCall, type ParseExchangeOptions } from "../../src/parsers/index.ts";
import { root } from "../docs/pages.ts";

interface Body {
  headers?: Record<string, string>;
  json?: unknown;
  text?: string;
  base64?: string;
  messages?: {
    event?: string;
    exception?: string;
    chunk?: unknown;
    payload?: unknown;
    headers?: Record<string, string>;
  }[];
}
interface WireCase {
  name: string;
  request: Body & { method?: string; url: string };
  response: Body & { status?: number };
  options?: ParseExchangeOptions;
  expected: Record<string, unknown> | null;
}

const { callToFacts } = (await import(join(root, "scripts/score-facts.mjs"))) as {
  callToFacts: (call: LlmCall) => { usage: object };
};
const folder = new URL("../fixtures/wire/", import.meta.url);
const codec = new EventStreamCodec(
  (bytes) => new TextDecoder().decode(bytes),
  (text) => new TextEncoder().encode(text),
);

function toBytes({ json, text, base64, messages }: Body): Uint8Array | undefined {
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  if (messages !== undefined) return Buffer.concat(messages.map(encodeMessage));
  const body = text ?? (json === undefined ? undefined : JSON.stringify(json));
  return body === undefined ? undefined : new TextEncoder().encode(body);
}

function encodeMessage(message: NonNullable<Body["messages"]>[number]): Uint8Array {
  const { event, exception, chunk } = message;
  const isException = exception !== undefined;
  const headers = message.headers ?? {
    ":message-type": isException ? "exception" : "event",
    [isException ? ":exception-type" : ":event-type"]: exception ?? event ?? "chunk",
    ":content-type": "application/json",
  };
  const wrapped = { bytes: Buffer.from(JSON.stringify(chunk ?? null)).toString("base64"), p: "abc" };
  const payload = chunk === undefined ? message.payload : wrapped;
  return codec.encode({
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, { type: "string", value }])),
    body: new TextEncoder().encode(payload === "" ? "" : JSON.stringify(payload)),
  });
}

/** What the scorer knows of a call, and more. */
function toFacts(call: LlmCall): Record<string, unknown> {
  const { response, usage, request, error } = call;
  const parts = response?.choices[0]?.message.parts ?? [];
  return {
    ...callToFacts(call),
    ...Object.fromEntries(Object.entries(usage).map(([name, value]) => [`usage.${name}`, value])),
    api: call.api,
    recordOutcome: call.outcome,
    responseId: response?.id,
    requestId: response?.requestId,
    serviceTier: response?.serviceTier,
    upstreamProvider: response?.upstreamProvider,
    jobId: response?.jobId,
    processingMs: response?.processingMs,
    costUsd: call.cost?.totalUsd,
    errorKind: error?.kind,
    retryAfterMs: error?.retryAfterMs,
    system: request.system?.map((part) => ("content" in part ? String(part.content) : part.type)).join("|"),
    tools: request.tools?.map(({ type, name }) => `${type}:${name}`).join(","),
    parts: parts.map(({ type }) => type).join(","),
  };
}

/** `null`, `undefined` and `""` are one value, as for the scorer. */
const orNull = (value: unknown): unknown => (value === undefined || value === "" ? null : value);

function read({ request, response, options }: WireCase, pieceLength?: number): LlmCall | undefined {
  const body = toBytes(response);
  const chunks = [];
  const step = pieceLength ?? 1;
  for (let at = 0; at < (body?.length ?? 0); at += step)
    chunks.push({ bytes: body!.subarray(at, at + step), atMs: at });
  const { status = 200, headers = { "content-type": "application/json" } } = response;
  return parseExchange(
    {
      request: { method: "POST", ...request, body: toBytes(request) ?? null },
      response: { status, headers, ...(pieceLength === undefined ? { body: body ?? null } : { chunks }) },
    },
    options,
  );
}

for (const file of readdirSync(folder)) {
  const lines = readFileSync(new URL(file, folder), "utf8").split("\n").filter(Boolean);
  const cases = lines.map((line) => JSON.parse(line) as WireCase);
  describe(file, () => {
    it.each(cases.map((one) => [one.name, one] as const))("%s", (_name, one) => {
      const call = read(one);
      if (one.expected === null) {
        expect(call).toBeUndefined();
        return;
      }
      if (call === undefined) throw new Error("no record");
      const facts = toFacts(call);
      for (const [fact, expected] of Object.entries(one.expected)) {
        const pattern = (expected as { $match?: string } | null)?.$match;
        if (pattern === undefined) expect(orNull(facts[fact]), fact).toEqual(orNull(expected));
        else expect(String(facts[fact]), fact).toMatch(new RegExp(pattern));
      }
      for (const step of [1, 7, 1000]) {
        const cut = read(one, step);
        expect(cut === undefined ? undefined : callToFacts(cut), `in pieces of ${step}`).toEqual(callToFacts(call));
      }
    });
  });
}
