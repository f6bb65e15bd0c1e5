/**
 * Serves recorded exchanges over the loopback interface: status, headers and the body's bytes, split at offsets that a
 * seed chooses, since a recording knows no chunk boundaries.
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { between, hashText, seededRandom } from "./mock/random.ts";

/** A recorded response. */
export interface ReplayExchange {
  /** Default 200. */
  status?: number;
  /** As recorded. Framing and encoding are this server's: `content-length`, `content-encoding` and the like are left out. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Decoded, as recordings have it. Default: none. */
  body?: string | Uint8Array;
}

export interface ReplayServerOptions {
  /** The exchange of an id, or `undefined` for a 404. */
  find: (id: string) => ReplayExchange | undefined | Promise<ReplayExchange | undefined>;
  /** Default 1. Another seed splits the bodies elsewhere. */
  seed?: number;
  /** Writes a body at most; each is a chunk of its own on the wire. Default 8. 1 sends it whole. */
  maxChunks?: number;
  /** Request header that carries the id. Default `x-replay-id`. Without it the path is looked at: `/~<id>/…`. */
  idHeader?: string;
}

export interface ReplayServer {
  /** `http://127.0.0.1:<port>` */
  origin: string;
  port: number;
  close(): Promise<void>;
}

// Of one connection, not of the message; or no longer true of a body that was stored decoded.
const NOT_REPLAYED: ReadonlySet<string> = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Starts a replay server on a free port of 127.0.0.1. */
export async function startReplayServer(options: ReplayServerOptions): Promise<ReplayServer> {
  const { find, seed = 1, maxChunks = 8, idHeader = "x-replay-id" } = options;
  const replay = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const id = readId(message, idHeader);
    message.resume();
    const exchange = id === undefined ? undefined : await find(id);
    if (id === undefined || exchange === undefined) {
      response.writeHead(404, { "content-type": "text/plain" }).end(`No exchange ${id ?? "without an id"}`);
      return;
    }
    // An answer before the whole request has come would be a different exchange than the recorded one.
    if (!message.complete) await once(message, "end");
    response.writeHead(exchange.status ?? 200, replayHeaders(exchange.headers ?? {}));
    const body = Buffer.from((exchange.body ?? "") as Uint8Array);
    for (const piece of splitBytes(body, seed ^ hashText(id), maxChunks)) {
      if (response.destroyed) return;
      response.write(piece);
      // A turn of the loop between two writes, or they leave as one.
      await nextTurn();
    }
    response.end();
  };

  const server = createServer((message, response) => {
    replay(message, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Cuts anywhere, in the middle of a character and of a line end too. */
export function splitBytes(body: Uint8Array, seed: number, maxChunks: number): Uint8Array[] {
  if (body.length === 0) return [];
  const random = seededRandom(seed);
  const cuts = new Set<number>();
  const wanted = Math.min(between(random, 1, Math.max(1, maxChunks)), body.length) - 1;
  while (cuts.size < wanted) cuts.add(between(random, 1, body.length - 1));
  const borders = [0, ...[...cuts].sort((left, right) => left - right), body.length];
  return borders.slice(1).map((end, index) => body.subarray(borders[index], end));
}

function readId(message: IncomingMessage, idHeader: string): string | undefined {
  const header = message.headers[idHeader];
  const encoded = typeof header === "string" ? header : /^\/~([^/]+)/.exec(message.url ?? "")?.[1];
  try {
    return encoded && decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

function replayHeaders(recorded: NonNullable<ReplayExchange["headers"]>): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(recorded)) {
    if (NOT_REPLAYED.has(name.toLowerCase())) continue;
    headers[name] = typeof value === "string" ? value : [...value];
  }
  return headers;
}
