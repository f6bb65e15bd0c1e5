/** A TCP server that speaks HTTP badly on purpose. What it does is the first part of the path. */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { gzipSync } from "node:zlib";

export interface RawServer {
  readonly origin: string;
  /** A port of this machine where nobody listens. */
  readonly refused: string;
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  close(): Promise<void>;
}

export const ANSWER: string = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "small-model-2",
  choices: [{ index: 0, message: { role: "assistant", content: "the answer" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
});

export const delta = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: "c", model: "m", choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
export const DONE = "data: [DONE]\n\n";

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const LAST_CHUNK = "0\r\n\r\n";
const JSON_TYPE = "content-type: application/json\r\n";
const STREAM_TYPE = "content-type: text/event-stream\r\n";
const CHUNKED = "transfer-encoding: chunked\r\n";
const OK = "HTTP/1.1 200 OK\r\n";
const answerHead = (length = ANSWER.length): string => `${OK}${JSON_TYPE}content-length: ${length}\r\n\r\n`;
const streamHead = `${OK}${STREAM_TYPE}${CHUNKED}\r\n`;
const gzipped = gzipSync(ANSWER);

/** Once what was written has left; a reset would take it back. */
function resetSoon(socket: Socket): void {
  setTimeout(() => socket.resetAndDestroy(), 30);
}

/** `false`: begins before the request has come in whole. */
type Behaviour = ((socket: Socket) => void) | { early(socket: Socket): void };

/** Whole answers, however odd, and ends of all kinds. */
export const BEHAVIOURS = {
  json: (socket) => socket.write(answerHead() + ANSWER),
  stream: (socket) =>
    socket.write(streamHead + chunk(delta("a")) + chunk(delta("b", "stop")) + chunk(DONE) + LAST_CHUNK),
  "one-byte-a-packet"(socket) {
    // No reason phrase: undici gives the part of it that came first.
    const head = streamHead.replace(" OK\r", "\r");
    const bytes = Buffer.from(head + chunk(delta("a")) + chunk(delta("", "stop") + DONE) + LAST_CHUNK);
    let index = 0;
    const timer = setInterval(() => {
      for (let count = 0; count < 10 && index < bytes.length; count += 1) socket.write(bytes.subarray(index, ++index));
      if (index >= bytes.length || socket.destroyed) clearInterval(timer);
    }, 1);
  },
  "close-delimited": (socket) => socket.end(`${OK}${JSON_TYPE}connection: close\r\n\r\n${ANSWER}`),
  "http-1.0": (socket) => socket.end(`HTTP/1.0 200 OK\r\n${JSON_TYPE}\r\n${ANSWER}`),
  "no-reason-phrase": (socket) =>
    socket.write(`HTTP/1.1 200\r\n${JSON_TYPE}content-length: ${ANSWER.length}\r\n\r\n${ANSWER}`),
  "early-hints": (socket) =>
    socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n${answerHead()}${ANSWER}`),
  "two-responses": (socket) => socket.write(answerHead() + ANSWER + answerHead() + ANSWER),
  "two-streams": (socket) => {
    const once = streamHead + chunk(delta("a", "stop") + DONE) + LAST_CHUNK;
    socket.write(once + once);
  },
  trailers: (socket) =>
    socket.write(`${OK}${JSON_TYPE}${CHUNKED}trailer: x-end\r\n\r\n${chunk(ANSWER)}0\r\nx-end: yes\r\n\r\n`),
  "chunk-extensions": (socket) =>
    socket.write(
      `${OK}${JSON_TYPE}${CHUNKED}\r\n${ANSWER.length.toString(16)};name=value\r\n${ANSWER}\r\n${LAST_CHUNK}`,
    ),
  gzip: (socket) => {
    socket.write(`${OK}${JSON_TYPE}content-encoding: gzip\r\ncontent-length: ${gzipped.length}\r\n\r\n`);
    socket.write(gzipped);
  },
  "204": (socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n"),
  "205": (socket) => socket.write("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
  "304": (socket) => socket.write('HTTP/1.1 304 Not Modified\r\netag: "1"\r\n\r\n'),
  "200-empty": (socket) => socket.write(`${OK}${JSON_TYPE}content-length: 0\r\n\r\n`),
  head: (socket) => socket.write(answerHead()),
  "429": (socket) => {
    const body = '{"error":{"message":"slow down","type":"rate_limit","code":"rate_limit_exceeded"}}';
    socket.write(
      `HTTP/1.1 429 Too Many Requests\r\n${JSON_TYPE}retry-after: 2\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  },
  "500": (socket) => socket.write("HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops"),
  "redirect-loop": (socket) =>
    socket.write(
      "HTTP/1.1 307 Temporary Redirect\r\nlocation: /redirect-loop/v1/chat/completions\r\ncontent-length: 0\r\n\r\n",
    ),
  "redirect-nowhere": (socket) =>
    socket.write("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://:99999/\r\ncontent-length: 0\r\n\r\n"),
  redirect: (socket) =>
    socket.write("HTTP/1.1 307 Temporary Redirect\r\nlocation: /json/v1/chat/completions\r\ncontent-length: 0\r\n\r\n"),
  // Faults before there is a response.
  "garbage-status": (socket) => socket.end("this is no HTTP\r\n\r\n"),
  "huge-headers": (socket) => socket.end(`${OK}${JSON_TYPE}x-big: ${"x".repeat(200_000)}\r\n\r\n`),
  "bad-header": (socket) => socket.end(`${OK}bad header\u0000: 1\r\n\r\n${ANSWER}`),
  "bad-length": (socket) => socket.end(`${OK}${JSON_TYPE}content-length: many\r\n\r\n${ANSWER}`),
  "two-lengths": (socket) => socket.end(`${OK}content-length: 5\r\ncontent-length: 6\r\n\r\n${ANSWER}`),
  "slow-headers"(socket) {
    const timer = setInterval(() => socket.write("x"), 100);
    socket.on("close", () => clearInterval(timer));
    socket.write(`${OK}x-slow: `);
  },
  silent: () => {},
  "end-without-answer": (socket) => socket.end(),
  "end-in-headers": (socket) => socket.end(`${OK}content-ty`),
  "reset-without-answer": (socket) => socket.resetAndDestroy(),
  "reset-in-headers"(socket) {
    socket.write(`${OK}content-ty`);
    resetSoon(socket);
  },
  "unasked-upgrade": (socket) =>
    socket.end("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
  // Faults in the body.
  "length-too-long"(socket) {
    socket.end(answerHead(ANSWER.length + 100) + ANSWER);
  },
  "length-too-short": (socket) => socket.end(answerHead(ANSWER.length - 20) + ANSWER),
  "half-closed-in-body"(socket) {
    socket.write(answerHead() + ANSWER.slice(0, 50), () => setTimeout(() => socket.end(), 30));
  },
  "reset-in-chunk"(socket) {
    socket.write(`${streamHead}${chunk(delta("a"))}ff\r\ndata: {"cho`);
    resetSoon(socket);
  },
  "end-in-chunk"(socket) {
    socket.end(`${streamHead}${chunk(delta("a"))}ff\r\ndata: {"cho`);
  },
  "end-without-last-chunk": (socket) => socket.end(streamHead + chunk(delta("a"))),
  "bad-chunk-size": (socket) => socket.end(`${streamHead}${chunk(delta("a"))}zz\r\nnothing\r\n`),
  "no-chunks-at-all": (socket) => socket.end(streamHead + delta("a")),
  "wrong-chunk-end": (socket) => socket.end(`${streamHead}3\r\nabcdef\r\n${LAST_CHUNK}`),
  "endless-chunk-size": (socket) => socket.end(`${streamHead}${"f".repeat(300)}\r\nabc`),
  "no-gzip": (socket) =>
    socket.end(`${OK}${JSON_TYPE}content-encoding: gzip\r\ncontent-length: ${ANSWER.length}\r\n\r\n${ANSWER}`),
  "cut-gzip"(socket) {
    socket.write(`${OK}${JSON_TYPE}content-encoding: gzip\r\ncontent-length: ${gzipped.length - 20}\r\n\r\n`);
    socket.end(gzipped.subarray(0, -20));
  },
  stalls: (socket) => socket.write(streamHead + chunk(delta("a"))),
  endless(socket) {
    socket.write(streamHead);
    const timer = setInterval(() => socket.write(chunk(delta("b"))), 5);
    socket.on("close", () => clearInterval(timer));
    socket.write(chunk(delta("a")));
  },
  "finished-then-reset"(socket) {
    socket.write(streamHead + chunk(delta("a")) + chunk(delta("", "stop")) + chunk(DONE));
    resetSoon(socket);
  },
  "finished-then-open": (socket) => socket.write(streamHead + chunk(delta("a")) + chunk(delta("", "stop"))),
  "done-then-open": (socket) => socket.write(streamHead + chunk(delta("a") + DONE)),
  // What comes while the request is still on its way.
  "early-413": {
    early(socket) {
      const body = '{"error":{"message":"too big"}}';
      socket.end(
        `HTTP/1.1 413 Payload Too Large\r\n${JSON_TYPE}content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      );
    },
  },
  "early-400-and-end": {
    early: (socket) => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbad"),
  },
  "early-answer": {
    early: (socket) =>
      socket.end(`${OK}${JSON_TYPE}connection: close\r\ncontent-length: ${ANSWER.length}\r\n\r\n${ANSWER}`),
  },
  "early-reset": { early: (socket) => socket.resetAndDestroy() },
} satisfies Record<string, Behaviour>;

export type BehaviourName = keyof typeof BEHAVIOURS;

export const url = (server: RawServer, name: BehaviourName): string => `${server.origin}/${name}/v1/chat/completions`;

/** The bytes of one request, its body included, are taken off; `undefined` when it is not whole. */
function takeRequest(received: string): string | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = received.slice(0, end);
  const body = received.slice(end + 4);
  if (/transfer-encoding: *chunked/i.test(head)) {
    const last = body.indexOf("0\r\n\r\n");
    return last === -1 ? undefined : body.slice(last + 5);
  }
  const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  return body.length < length ? undefined : body.slice(length);
}

export async function startRawServer(): Promise<RawServer> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    let received = "";
    let hasBegun = false;
    socket.on("error", () => {});
    socket.on("end", () => socket.end());
    socket.on("close", () => open.delete(socket));
    socket.on("data", (data: Buffer) => {
      received += data.toString("latin1");
      // A TLS hello.
      if (received.startsWith("\u0016")) socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      const name = /^[A-Z]+ \/([\w.-]+)/.exec(received)?.[1] ?? "";
      const behaviour = (BEHAVIOURS as Record<string, Behaviour>)[name];
      if (behaviour === undefined) return;
      if (typeof behaviour === "object") {
        if (!hasBegun) behaviour.early(socket);
        hasBegun = true;
        return;
      }
      const rest = takeRequest(received);
      if (rest === undefined) return;
      received = rest;
      behaviour(socket);
    });
  });
  const gone = createServer();
  const listen = (each: typeof server) =>
    new Promise<string>((resolve) => {
      each.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(each.address() as AddressInfo).port}`));
    });
  const origin = await listen(server);
  const refused = await listen(gone);
  gone.close();
  return {
    origin,
    refused,
    open,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
