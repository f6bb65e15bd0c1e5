/**
 * OpenAI, Anthropic and Gemini on the loopback interface, with authored answers, scripted timings and faults, and the
 * ground truth of each answer: what a record of it must say.
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import { asObject, parseJson } from "../parsers/shared/json.ts";
import type { HostOverride } from "../types.ts";
import { makeAnswer } from "./mock/answer.ts";
import { type Dialect, PROVIDERS } from "./mock/dialects.ts";
import { renderHttpError } from "./mock/errors.ts";
import { expectCall } from "./mock/expect.ts";
import { type MeasuredTiming, playPlan } from "./mock/play.ts";
import { hashText, makeId, seededRandom } from "./mock/random.ts";
import type { ExpectedCall, MockProvider, MockReply, MockRequest, Plan, PlannedEvent } from "./mock/types.ts";

/** A request as it came over the wire, and what became of it. */
export interface ReceivedRequest {
  provider: MockProvider;
  method: string;
  /** As sent, with the reply token and the query. */
  path: string;
  /** Names in their case and order, repeated ones repeated. */
  headers: readonly (readonly [name: string, value: string])[];
  body: Uint8Array;
  /** Name of the scripted reply, if the path named one. */
  reply: string | undefined;
  /** Resolves when the response is over: what a record of this exchange must say. `undefined` for paths that are no inference. */
  expected: Promise<ExpectedCall | undefined>;
  /** Milliseconds from the arrival of the request; complete when `expected` is. */
  measured: MeasuredTiming;
}

export interface MockProvidersOptions {
  /** Default 1. Another seed gives other texts, tokens and chunks everywhere. */
  seed?: number;
  /** Replies by name; `baseUrl(provider, name)` asks for one. A list is answered in turn, over and over. */
  replies?: Record<string, MockReply | readonly MockReply[]>;
}

export interface MockProviders {
  /** Origin of each provider, such as `http://127.0.0.1:40123`. */
  origins: Readonly<Record<MockProvider, string>>;
  /** For `createTap({ hosts })`. */
  hosts: Readonly<Record<string, HostOverride>>;
  /** Everything received so far. */
  requests: ReceivedRequest[];
  /** What the provider's SDK takes as its base URL; with a name, all its requests get that reply. */
  baseUrl(provider: MockProvider, reply?: string): string;
  /** Scripts a reply, also while running. */
  setReply(name: string, reply: MockReply | readonly MockReply[]): void;
  close(): Promise<void>;
}

/**
 * Starts one server a provider on a free port of 127.0.0.1.
 * @example
 * const mock = await startMockProviders({ replies: { slow: { timing: { firstTokenMs: 500 } } } });
 * const tap = createTap({ hosts: mock.hosts, sinks: [sink] });
 * const openai = new OpenAI({ apiKey: "none", baseURL: mock.baseUrl("openai", "slow"), fetch: tap.fetch });
 */
export async function startMockProviders(options: MockProvidersOptions = {}): Promise<MockProviders> {
  const { seed = 1 } = options;
  const replies = new Map(Object.entries(options.replies ?? {}));
  const turns = new Map<string, number>();
  const requests: ReceivedRequest[] = [];
  const servers = new Map<MockProvider, Server>();
  const origins: Partial<Record<MockProvider, string>> = {};

  const nextReply = (name: string | undefined): MockReply => {
    const scripted = name === undefined ? undefined : replies.get(name);
    if (name === undefined || scripted === undefined) return {};
    if (!Array.isArray(scripted)) return scripted as MockReply;
    const turn = turns.get(name) ?? 0;
    turns.set(name, turn + 1);
    return (scripted[turn % scripted.length] as MockReply | undefined) ?? {};
  };

  const answer = async (provider: MockProvider, message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const arrivedAt = performance.now();
    const body = await readBody(message);
    const path = message.url ?? "/";
    const token = /^\/~([^/]+)(\/.*)$/.exec(path);
    const name = token?.[1] === undefined ? undefined : decodeURIComponent(token[1]);
    // `Promise.withResolvers` is not in Node 20.
    let settle: (expected: ExpectedCall | undefined) => void = () => {};
    const expected = new Promise<ExpectedCall | undefined>((resolve) => {
      settle = resolve;
    });
    const received: ReceivedRequest = {
      provider,
      method: message.method ?? "",
      path,
      headers: pairs(message.rawHeaders),
      body,
      reply: name,
      expected,
      measured: {},
    };
    requests.push(received);
    const reply = nextReply(name);
    const replySeed = (seed * 7_919 + hashText(name ?? body.toString("latin1"))) >>> 0;
    const planned = planReply(provider, message, token?.[2] ?? path, body, reply, replySeed);
    const played = await playPlan(planned.plan, reply, response, arrivedAt);
    Object.assign(received.measured, played.measured);
    const { dialect } = planned;
    settle(dialect && expectCall(dialect, PROVIDERS[provider].provider, planned.plan, played, reply.fault));
  };

  for (const provider of Object.keys(PROVIDERS) as MockProvider[]) {
    const server = createServer((message, response) => {
      // A client that leaves while its request is read is all that can fail here.
      answer(provider, message, response).catch(() => response.destroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.set(provider, server);
    origins[provider] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const known = origins as Record<MockProvider, string>;

  return {
    origins: known,
    hosts: Object.fromEntries(
      (Object.keys(PROVIDERS) as MockProvider[]).map((provider) => [
        new URL(known[provider]).host,
        { provider: PROVIDERS[provider].provider },
      ]),
    ),
    requests,
    baseUrl: (provider, reply) =>
      known[provider] + (reply === undefined ? "" : `/~${encodeURIComponent(reply)}`) + PROVIDERS[provider].basePath,
    setReply: (name, reply) => {
      replies.set(name, reply);
      turns.delete(name);
    },
    close: async () => {
      await Promise.all([...servers.values()].map(closeServer));
    },
  };
}

function planReply(
  provider: MockProvider,
  message: IncomingMessage,
  path: string,
  body: Buffer,
  reply: MockReply,
  seed: number,
): { plan: Plan; dialect: Dialect | undefined } {
  const face = PROVIDERS[provider];
  const method = message.method ?? "";
  const match = method === "POST" ? findDialect(face.dialects, path) : undefined;
  const request: MockRequest = { method, path, body: asObject(parseJson(body.toString("utf8"))) ?? {} };
  if (match?.model !== undefined) request.pathModel = match.model;
  const made = makeAnswer(reply, request, seed);
  const plan = reply.raw
    ? rawPlan(reply.raw, made.requestModel)
    : reply.error
      ? renderHttpError(provider, reply.error, made.requestModel)
      : (match?.dialect.render(request, made) ??
        renderHttpError(provider, { status: 404, message: `No mock for ${path}` }, ""));
  const requestId = makeId(seededRandom(seed ^ 0x5eed), 16);
  if (reply.fault && !reply.raw) plan.events = halveSingle(plan.events);
  plan.headers = { ...face.headers(requestId), ...plan.headers, ...reply.headers };
  if (face.requestIdHeader !== "") plan.facts.requestId = requestId;
  return { plan, dialect: match?.dialect };
}

function findDialect(
  dialects: readonly Dialect[],
  path: string,
): { dialect: Dialect; model: string | undefined } | undefined {
  for (const dialect of dialects) {
    const found = dialect.path.exec(path);
    if (found) return { dialect, model: found.groups?.["model"] && decodeURIComponent(found.groups["model"]) };
  }
  return undefined;
}

/** A body of one piece can only break off in its middle. */
function halveSingle(events: readonly PlannedEvent[]): PlannedEvent[] {
  const [only] = events;
  if (only === undefined || events.length > 1) return [...events];
  const bytes = Buffer.from(only.bytes as Uint8Array);
  const middle = bytes.length >> 1;
  return [
    { bytes: bytes.subarray(0, middle), output: true },
    { ...only, bytes: bytes.subarray(middle), output: true },
  ];
}

function rawPlan(raw: NonNullable<MockReply["raw"]>, requestModel: string): Plan {
  return {
    status: raw.status ?? 200,
    headers: raw.headers ?? { "content-type": "application/json" },
    facts: { requestModel, ...raw.expected },
    events: raw.chunks.map((bytes) => ({ bytes, output: true })),
  };
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function pairs(raw: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let index = 0; index < raw.length; index += 2) result.push([raw[index] ?? "", raw[index + 1] ?? ""]);
  return result;
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
