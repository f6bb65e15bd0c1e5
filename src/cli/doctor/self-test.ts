/** Proves on the Node at hand that the hooks see calls: one server on loopback, one tap, each way to call it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { memorySink } from "../../sinks/memory.ts";
import { createTap, type Tap } from "../../tap.ts";
import type { LlmCall } from "../../types.ts";
import { type Line, no, note, yes } from "../report.ts";
import type { FoundPackage } from "./packages.ts";

const MODEL = "gpt-doctor";
const QUESTION = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Are you seen?" }] });
const STREAMED_QUESTION = JSON.stringify({ ...JSON.parse(QUESTION), stream: true } as object);
const USAGE = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 };
const ANSWER = JSON.stringify({
  id: "chatcmpl-doctor",
  object: "chat.completion",
  model: MODEL,
  choices: [{ index: 0, message: { role: "assistant", content: "Yes." }, finish_reason: "stop" }],
  usage: USAGE,
});
const STREAM = [
  { model: MODEL, choices: [{ index: 0, delta: { role: "assistant", content: "Yes." }, finish_reason: "stop" }] },
  { model: MODEL, choices: [], usage: USAGE },
]
  .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
  .join("")
  .concat("data: [DONE]\n\n");

const TIMEOUT_MS = 15_000;

/** What undici's functions and dispatchers have in common. */
interface Requester {
  request(...given: never[]): Promise<{ body: { text(): Promise<string> } }>;
}

interface Probe {
  name: string;
  /** @returns the body as the app got it */
  call(url: string): Promise<string>;
  isStream?: boolean;
  /** Loading it may put a dispatcher of its own where ours is hooked. */
  mayReplaceHooks?: boolean;
}

/** @param copies Copies of undici that load on this Node. */
export async function runSelfTest(copies: readonly FoundPackage[]): Promise<Line[]> {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += String(chunk)));
    request.on("end", () => {
      const isStream = body.includes('"stream":true');
      response.writeHead(200, { "content-type": isStream ? "text/event-stream" : "application/json" });
      response.end(isStream ? STREAM : ANSWER);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const sink = memorySink();
  const errors: Error[] = [];
  const tap = createTap({
    sinks: [sink],
    hosts: { [`127.0.0.1:${port}`]: { provider: "doctor", api: "openai-chat" } },
    onError: (error) => errors.push(error),
  });
  const lines: Line[] = [];
  try {
    const url = `http://127.0.0.1:${port}/v1/chat/completions`;
    const bareFetch = globalThis.fetch;
    lines.push(
      await tryOut({ name: "tap.fetch", call: (to) => readFetch(tap.fetch, to, QUESTION) }, url, tap, sink.calls),
    );
    // Built-in things first: an undici of npm may change what is behind fetch as soon as it is loaded.
    for (const probe of [...listBuiltInProbes(), ...copies.map(createCopyProbe)]) {
      const restore = tap.install();
      lines.push(await tryOut(probe, url, tap, sink.calls));
      restore();
    }
    lines.push(
      globalThis.fetch === bareFetch
        ? yes("install() can be taken back: fetch is what it was")
        : no("fetch is not what it was after install() was taken back"),
    );
    for (const error of errors) lines.push(no(describeError(error)));
  } finally {
    await tap.close({ timeoutMs: TIMEOUT_MS });
    server.closeAllConnections();
    server.close();
  }
  return lines;
}

function listBuiltInProbes(): Probe[] {
  const probes: Probe[] = [
    { name: "install(): fetch", call: (to) => readFetch(globalThis.fetch, to, QUESTION) },
    {
      name: "install(): fetch, a stream",
      call: (to) => readFetch(globalThis.fetch, to, STREAMED_QUESTION),
      isStream: true,
    },
  ];
  for (const index of [1, 2]) {
    const dispatcher = (globalThis as Record<symbol, unknown>)[Symbol.for(`undici.globalDispatcher.${index}`)];
    if (typeof (dispatcher as Partial<Requester> | undefined)?.request !== "function") continue;
    probes.push({
      name: `install(): request() of the global dispatcher .${index}`,
      async call(to) {
        const { origin, pathname } = new URL(to);
        return readRequest(dispatcher as Requester, { origin, path: pathname, ...POST });
      },
    });
  }
  return probes;
}

function createCopyProbe(copy: FoundPackage): Probe {
  return {
    name: `install(): undici.request of undici ${copy.version} (${copy.path})`,
    async call(to) {
      const { request } = (await import(pathToFileURL(`${copy.directory}/index.js`).href)) as Requester;
      return readRequest({ request }, to, POST);
    },
    mayReplaceHooks: true,
  };
}

const POST = { method: "POST", headers: { "content-type": "application/json" }, body: QUESTION };

async function readFetch(fetch: Tap["fetch"], url: string, body: string): Promise<string> {
  return (await fetch(url, { ...POST, body, signal: AbortSignal.timeout(TIMEOUT_MS) })).text();
}

async function readRequest(requester: Requester, ...given: unknown[]): Promise<string> {
  return (await requester.request(...(given as never[]))).body.text();
}

/** The app must get what was sent, and the tap must have read it. */
async function tryOut(probe: Probe, url: string, tap: Tap, calls: LlmCall[]): Promise<Line> {
  const line = await tryOnce(probe, url, tap, calls);
  if (line.status === "yes" || probe.mayReplaceHooks !== true) return line;
  // The next fetch puts the hooks on again.
  await readFetch(globalThis.fetch, url, QUESTION);
  const again = await tryOnce(probe, url, tap, calls);
  if (again.status !== "yes") return line;
  return note(
    `${probe.name}: on this Node it puts its own dispatcher in place when it is loaded, so it is seen only after the next fetch; load it before install(), or use compose(tap.interceptor)`,
  );
}

async function tryOnce(
  { name, call, isStream = false }: Probe,
  url: string,
  tap: Tap,
  calls: LlmCall[],
): Promise<Line> {
  try {
    await tap.flush({ timeoutMs: TIMEOUT_MS });
    calls.length = 0;
    const body = await call(url);
    await tap.flush({ timeoutMs: TIMEOUT_MS });
    if (body !== (isStream ? STREAM : ANSWER)) return no(`${name}: the app did not get the body that was sent`);
    const [seen] = calls;
    if (seen === undefined) return no(`${name}: not seen`);
    if (calls.length > 1) return no(`${name}: seen ${calls.length} times`);
    const { inputTokens, outputTokens } = seen.usage;
    if (seen.request.model !== MODEL || inputTokens !== 12 || outputTokens !== 3 || seen.streaming !== isStream) {
      return no(`${name}: seen, but not read: ${inputTokens ?? "?"} tokens in, ${outputTokens ?? "?"} out`);
    }
    return yes(`${name}: seen, ${inputTokens} tokens in, ${outputTokens} out`);
  } catch (error) {
    return no(`${name}: ${describeError(error)}`);
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
