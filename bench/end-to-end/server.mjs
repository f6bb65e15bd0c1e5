/** The provider: a process of its own, so that its work is in nobody's numbers. Sends its port to its parent. */
import { createServer } from "node:http";
import process from "node:process";
import {
  makeAgentResponse,
  makeChatChunks,
  makeChatResponse,
  makeEmbeddingsResponse,
  makeImageResponse,
} from "../shared/payloads.mjs";

/** What receives records takes as long as one somewhere else would. */
const COLLECT_MS = 50;
const bodies = new Map();
let answered = 0;

/** Made once for each kind. */
function bodyFor(model) {
  let body = bodies.get(model);
  if (body === undefined) {
    const [, kind, first, second] = model.split(":");
    if (kind === "stream") body = makeChatChunks({ count: Number(first) }).map((event) => Buffer.from(event));
    else if (kind === "image") body = Buffer.from(makeImageResponse(Number(first)));
    else if (kind === "embeddings") {
      body = Buffer.from(makeEmbeddingsResponse({ count: Number(first), dimensions: Number(second) }));
    } else body = Buffer.from(makeChatResponse({ bytes: Number(first) }));
    bodies.set(model, body);
  }
  return body;
}

function sendStream(response, events, delay) {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "req_bench" });
  let index = 0;
  const step = () => {
    if (response.destroyed) return;
    response.write(events[index]);
    index += 1;
    if (index === events.length) response.end();
    else if (delay > 0) setTimeout(step, delay);
    else setImmediate(step);
  };
  step();
}

const server = createServer((request, response) => {
  if (request.method === "GET") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end('{"items":[1,2,3]}');
    return;
  }
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    if (request.url === "/collect") {
      setTimeout(() => response.end("{}"), COLLECT_MS);
      return;
    }
    const text = Buffer.concat(chunks).toString("latin1");
    const model = /"model":"(bench:[^"]+)"/.exec(text)?.[1] ?? "bench:json:2048";
    const [, kind, size] = model.split(":");
    const body =
      kind === "agent"
        ? Buffer.from(makeAgentResponse(text, { bytes: Number(size), id: (answered += 1) }))
        : bodyFor(model);
    if (Array.isArray(body)) {
      sendStream(response, body, Number(model.split(":")[3]));
      return;
    }
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": body.length,
      "x-request-id": "req_bench",
      "openai-processing-ms": "12",
    });
    response.end(body);
  });
});
server.keepAliveTimeout = 60_000;
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => process.send({ port: server.address().port }));
process.on("disconnect", () => process.exit());
