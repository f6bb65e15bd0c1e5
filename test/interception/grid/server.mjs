// A server on loopback that answers in every way that a server can, well and badly, and remembers what it was sent:
// method, path, raw header fields in their order, framing and bytes.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

export const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "small-model-2",
  choices: [{ index: 0, message: { role: "assistant", content: "the answer: é 🙂" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 },
};
const TEXT = JSON.stringify(ANSWER);
const FAILURE = JSON.stringify({
  error: { message: "no such model", type: "invalid_request_error", code: "model_not_found" },
});
const JSON_TYPE = { "content-type": "application/json" };
const SSE_TYPE = { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "req-1" };

const delta = (content, finish = null) =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", model: "small-model-2", choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
export const EVENTS = [delta("the "), delta("answer "), delta("é🙂"), delta("", "stop"), "data: [DONE]\n\n"];

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function writeEvents(response, events) {
  for (const event of events) {
    response.write(event);
    await turn();
  }
}

const encoded = (encoding, encode) => (_request, response) => {
  response.writeHead(200, { ...JSON_TYPE, "content-encoding": encoding }).end(encode(TEXT));
};

/** What is done with a request, by the kind in its path: `/c/<kind>/<cell>/v1/chat/completions`. */
const KINDS = {
  json: (_request, response) =>
    response.writeHead(200, { ...JSON_TYPE, "content-length": Buffer.byteLength(TEXT) }).end(TEXT),
  big: (_request, response) =>
    response.writeHead(200, JSON_TYPE).end(JSON.stringify({ ...ANSWER, padding: "x".repeat(1_000_000) })),
  cookies: (_request, response) =>
    response
      .writeHead(200, [
        ...Object.entries(JSON_TYPE).flat(),
        "set-cookie",
        "a=1",
        "Set-Cookie",
        "b=2",
        "X-Odd",
        "caf\u00e9",
      ])
      .end(TEXT),
  async sse(_request, response) {
    response.writeHead(200, SSE_TYPE);
    await writeEvents(response, EVENTS);
    response.end();
  },
  async "until-close"(_request, response) {
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, { ...SSE_TYPE, connection: "close" });
    await writeEvents(response, EVENTS);
    response.end();
  },
  gzip: encoded("gzip", gzipSync),
  deflate: encoded("deflate", deflateSync),
  br: encoded("br", brotliCompressSync),
  "gzip-broken": encoded("gzip", (text) => gzipSync(text).subarray(0, 40)),
  /** Is busy twice. */
  flaky(_request, response, log) {
    if (log.requests.length > 2) response.writeHead(200, JSON_TYPE).end(TEXT);
    else response.writeHead(503, { ...JSON_TYPE, "retry-after": "0" }).end(FAILURE);
  },
  hang() {},
  async "head-hang"(_request, response) {
    response.writeHead(200, SSE_TYPE);
    await writeEvents(response, EVENTS.slice(0, 2));
  },
  endless(request, response, log) {
    response.writeHead(200, SSE_TYPE);
    const { socket } = response;
    const chunk = `data: ${"x".repeat(65_000)}\n\n`;
    let left = 3_000;
    const fill = () => {
      while (left > 0) {
        left -= 1;
        if (!response.write(chunk)) return;
      }
      response.end();
    };
    response.on("drain", fill);
    const before = socket.bytesWritten - socket.writableLength;
    log.sentBytes = () => socket.bytesWritten - socket.writableLength - before;
    fill();
  },
  reset: (request) => request.socket.resetAndDestroy(),
  async "reset-mid"(request, response) {
    response.writeHead(200, SSE_TYPE);
    await writeEvents(response, EVENTS.slice(0, 2));
    // What was written has to arrive, or a reset may overtake it.
    setTimeout(() => request.socket.resetAndDestroy(), 60);
  },
  async "end-mid"(request, response) {
    response.writeHead(200, SSE_TYPE);
    await writeEvents(response, EVENTS.slice(0, 2));
    setTimeout(() => request.socket.end(), 60);
  },
  short(request, response) {
    response.writeHead(200, { ...JSON_TYPE, "content-length": 1000 });
    response.write(TEXT.slice(0, 20));
    setTimeout(() => request.socket.end(), 60);
  },
  garbage: (request) => request.socket.end("THIS IS NOT HTTP\r\n\r\n"),
  "early-hints"(_request, response) {
    response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    response.writeHead(200, JSON_TYPE).end(TEXT);
  },
  trailers(_request, response) {
    response.writeHead(200, { ...JSON_TYPE, trailer: "x-checksum" });
    response.write(TEXT);
    response.addTrailers({ "x-checksum": "abc" });
    response.end();
  },
};

/** Answers before the request's body was sent, and closes. */
const EARLY = new Set(["refuses-body"]);
KINDS["refuses-body"] = (_request, response) => {
  response.writeHead(413, { ...JSON_TYPE, connection: "close" }).end(FAILURE);
};

function answer(kind, request, response, log) {
  const status = /^status-(\d+)$/.exec(kind)?.[1];
  if (status !== undefined) {
    const isEmpty = /^(?:204|205|304)$/.test(status);
    response.writeHead(Number(status), isEmpty ? {} : JSON_TYPE).end(isEmpty ? undefined : FAILURE);
    return;
  }
  const redirect = /^redirect-(\d+)$/.exec(kind)?.[1];
  if (redirect !== undefined) {
    response.writeHead(Number(redirect), { location: request.url.replace(kind, "json") }).end("moved");
    return;
  }
  void (KINDS[kind] ?? KINDS.json)(request, response, log);
}

const BOUNDARY = /boundary=("?)([\w'()+,./:=?-]+)\1/;

/** A form's boundary is made of chance: it gets one name here. */
function describeRequest(request, chunks, port) {
  const boundary = BOUNDARY.exec(request.headers["content-type"] ?? "")?.[2];
  let body = Buffer.concat(chunks).toString("latin1");
  if (boundary !== undefined) body = body.replaceAll(boundary, "BOUNDARY");
  const headers = request.rawHeaders.map((text) =>
    (boundary === undefined ? text : text.replaceAll(boundary, "BOUNDARY")).replaceAll(String(port), "PORT"),
  );
  return {
    method: request.method,
    path: request.url,
    headers,
    bytes: body.length,
    body: createHash("sha256").update(body, "latin1").digest("hex").slice(0, 16),
  };
}

/** @param port 0 for any */
export async function startServer(port = 0) {
  /** What came for each cell. */
  const logs = new Map();
  const connections = new Map();

  function logOf(url) {
    const cell = /^\/c\/[^/]+\/([^/]+)/.exec(url)?.[1] ?? url;
    let log = logs.get(cell);
    if (log === undefined) {
      log = { requests: [], connections: [], closedEarly: false, waiting: [], sentBytes: () => 0 };
      logs.set(cell, log);
    }
    return log;
  }

  const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
    const log = logOf(request.url);
    const kind = /^\/c\/([^/]+)/.exec(request.url)?.[1] ?? "json";
    response.sendDate = false;
    log.connections.push(connections.get(request.socket));
    response.on("close", () => {
      if (response.writableFinished) return;
      log.closedEarly = true;
      for (const resolve of log.waiting) resolve();
    });
    request.on("error", () => {});
    response.on("error", () => {});
    const chunks = [];
    const entry = { unfinished: true };
    log.requests.push(entry);
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      delete entry.unfinished;
      Object.assign(entry, describeRequest(request, chunks, server.address().port));
      if (!EARLY.has(kind)) answer(kind, request, response, log);
    });
    if (EARLY.has(kind)) answer(kind, request, response, log);
  });
  server.on("connection", (socket) => {
    connections.set(socket, connections.size);
    socket.on("error", () => {});
  });
  server.on("connect", (request, socket) => {
    logOf(request.url).requests.push({ method: request.method, path: request.url });
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("end", () => socket.end());
  });
  server.on("upgrade", (request, socket) => {
    logOf(request.url).requests.push(describeRequest(request, [], server.address().port));
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("end", () => socket.end());
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));

  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    logOf: (cell) => logOf(`/c/json/${cell}`),
    /** Resolves when the server has seen that an answer was not taken to its end. */
    closedEarly(cell) {
      const log = logOf(`/c/json/${cell}`);
      if (log.closedEarly) return Promise.resolve();
      return new Promise((resolve) => log.waiting.push(resolve));
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
