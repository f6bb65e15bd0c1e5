/** However an app lets go of a call: one record that says so, and the app gets the very object that it would have had. */
import { afterAll, beforeAll, it } from "vitest";
import { chatRequest } from "../tap/helpers.ts";
import { type BehaviourName, type RawServer, startRawServer, url } from "./raw-server.ts";
import { type Expected, expectSameEnd, type Fetch, describeEachWay } from "./ways.ts";

let server: RawServer;
beforeAll(async () => {
  server = await startRawServer();
});
afterAll(() => server.close());

const CANCELLED: Expected = { outcome: "cancelled", kind: "abort" };
const TIMEOUT: Expected = { outcome: "error", kind: "timeout" };
const NETWORK: Expected = { outcome: "error", kind: "network" };
const SUCCESS: Expected = { outcome: "success" };

const reason = new Error("the app has had enough");
const frozen = Object.freeze({ why: "because" });
/** An object that must not be touched. */
const untouchable = new Proxy(
  {},
  {
    get() {
      throw new Error("touched");
    },
  },
);
const KNOWN = [reason, frozen, untouchable];

const send = (fetch: Fetch, name: BehaviourName, init: RequestInit = {}): Promise<Response> =>
  fetch(url(server, name), { ...chatRequest({ stream: true }), ...init });

const later = (run: () => void): void => {
  setTimeout(run, 40);
};

/** A signal that is aborted soon. */
function abortSoon(...why: unknown[]): AbortSignal {
  const controller = new AbortController();
  later(() => controller.abort(...why));
  return controller.signal;
}

/** The body's first chunk, and the reader that goes on with it. */
async function begin(response: Response): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  return reader;
}

async function readAll(response: Response): Promise<number> {
  let size = 0;
  for await (const chunk of response.body as ReadableStream<Uint8Array>) size += chunk.byteLength;
  return size;
}

const text = (chunk: Uint8Array): string => new TextDecoder().decode(chunk);

type Path = readonly [name: string, run: (fetch: Fetch) => Promise<unknown>, expected: Expected];

const BEFORE_HEADERS: readonly Path[] = [
  ["an abort before the call", (fetch) => send(fetch, "json", { signal: AbortSignal.abort() }), CANCELLED],
  [
    "an abort before the call, with a reason",
    (fetch) => send(fetch, "json", { signal: AbortSignal.abort(reason) }),
    CANCELLED,
  ],
  ["an abort", (fetch) => send(fetch, "silent", { signal: abortSoon() }), CANCELLED],
  ["an abort with a reason", (fetch) => send(fetch, "silent", { signal: abortSoon(reason) }), CANCELLED],
  ["an abort with a text", (fetch) => send(fetch, "silent", { signal: abortSoon("enough") }), CANCELLED],
  ["an abort with null", (fetch) => send(fetch, "silent", { signal: abortSoon(null) }), CANCELLED],
  ["an abort with a number", (fetch) => send(fetch, "silent", { signal: abortSoon(7) }), CANCELLED],
  ["an abort with a frozen object", (fetch) => send(fetch, "silent", { signal: abortSoon(frozen) }), CANCELLED],
  [
    "an abort with an object that throws when touched",
    (fetch) => send(fetch, "silent", { signal: abortSoon(untouchable) }),
    CANCELLED,
  ],
  ["AbortSignal.timeout", (fetch) => send(fetch, "silent", { signal: AbortSignal.timeout(600) }), TIMEOUT],
  [
    "AbortSignal.any",
    (fetch) => send(fetch, "silent", { signal: AbortSignal.any([AbortSignal.timeout(60_000), abortSoon(reason)]) }),
    CANCELLED,
  ],
  ["an abort while headers dribble in", (fetch) => send(fetch, "slow-headers", { signal: abortSoon() }), CANCELLED],
];

const IN_BODY: readonly Path[] = [
  ["an abort", async (fetch) => readAll(await send(fetch, "endless", { signal: abortSoon() })), CANCELLED],
  [
    "an abort with a reason",
    async (fetch) => readAll(await send(fetch, "endless", { signal: abortSoon(reason) })),
    CANCELLED,
  ],
  [
    "an abort while nothing comes",
    async (fetch) => readAll(await send(fetch, "stalls", { signal: abortSoon(reason) })),
    CANCELLED,
  ],
  [
    "an abort in text()",
    async (fetch) => (await send(fetch, "stalls", { signal: abortSoon(reason) })).text(),
    CANCELLED,
  ],
  [
    "AbortSignal.timeout",
    async (fetch) => readAll(await send(fetch, "stalls", { signal: AbortSignal.timeout(600) })),
    TIMEOUT,
  ],
  [
    "an abort between two reads, and none after",
    async (fetch) => {
      const controller = new AbortController();
      const reader = await begin(await send(fetch, "stalls", { signal: controller.signal }));
      controller.abort(reason);
      return reader.closed;
    },
    CANCELLED,
  ],
  [
    "an abort of a body that nobody has begun to read",
    async (fetch) => {
      const controller = new AbortController();
      const response = await send(fetch, "endless", { signal: controller.signal });
      controller.abort(reason);
      return response.body?.getReader().read();
    },
    CANCELLED,
  ],
  [
    "break",
    async (fetch) => {
      for await (const chunk of (await send(fetch, "endless")).body ?? []) if (chunk.byteLength > 0) break;
    },
    CANCELLED,
  ],
  [
    "an exception in the loop",
    async (fetch) => {
      for await (const chunk of (await send(fetch, "endless")).body ?? []) if (chunk.byteLength > 0) throw reason;
    },
    CANCELLED,
  ],
  [
    "the iterator's return()",
    async (fetch) => {
      const iterator = ((await send(fetch, "endless")).body as ReadableStream<Uint8Array>)[Symbol.asyncIterator]();
      await iterator.next();
      return [await iterator.return?.(), await iterator.next()];
    },
    CANCELLED,
  ],
  [
    "reader.cancel()",
    async (fetch) => {
      const reader = await begin(await send(fetch, "endless"));
      return [await reader.cancel(), await reader.read(), await reader.closed];
    },
    CANCELLED,
  ],
  [
    "reader.cancel() with a reason",
    async (fetch) => {
      const reader = await begin(await send(fetch, "endless"));
      return [await reader.cancel(reason), await reader.read()];
    },
    CANCELLED,
  ],
  [
    "reader.cancel() while a read waits",
    async (fetch) => {
      const reader = await begin(await send(fetch, "stalls"));
      const read = reader.read();
      return [await reader.cancel(reason), await read];
    },
    CANCELLED,
  ],
  ["body.cancel()", async (fetch) => (await send(fetch, "endless")).body?.cancel(), CANCELLED],
  ["body.cancel() with a reason", async (fetch) => (await send(fetch, "stalls")).body?.cancel(reason), CANCELLED],
  [
    "cancel() of a body that is locked",
    async (fetch) => {
      const response = await send(fetch, "endless");
      const reader = await begin(response);
      const refused: unknown = await response.body?.cancel().catch((error: Error) => [error.name, error.message]);
      await reader.cancel();
      return refused;
    },
    CANCELLED,
  ],
  [
    "a byte reader that cancels",
    async (fetch) => {
      const reader = (await send(fetch, "endless")).body?.getReader({ mode: "byob" });
      const first = await reader?.read(new Uint8Array(7));
      return [first?.value?.byteLength, await reader?.cancel(reason)];
    },
    CANCELLED,
  ],
  [
    "pipeTo with a signal",
    async (fetch) => {
      const { body } = await send(fetch, "endless");
      await body?.pipeTo(new WritableStream(), { signal: abortSoon(reason) });
    },
    CANCELLED,
  ],
  [
    "pipeTo something that fails",
    async (fetch) => {
      const { body } = await send(fetch, "endless");
      await body?.pipeTo(
        new WritableStream({
          write() {
            throw reason;
          },
        }),
      );
    },
    CANCELLED,
  ],
  [
    "pipeThrough, and break",
    async (fetch) => {
      const { body } = await send(fetch, "endless");
      const decoded = body?.pipeThrough(new TextDecoderStream());
      for await (const part of decoded ?? []) if (part !== "") break;
    },
    CANCELLED,
  ],
  [
    "both halves of a tee cancelled",
    async (fetch) => {
      const [first, second] = (await send(fetch, "endless")).body?.tee() ?? [];
      await Promise.all([first?.cancel(reason), second?.cancel(reason)]);
    },
    CANCELLED,
  ],
  [
    "a clone and its original cancelled",
    async (fetch) => {
      const response = await send(fetch, "endless");
      const copy = response.clone();
      await Promise.all([response.body?.cancel(reason), copy.body?.cancel(reason)]);
      return [copy.url === response.url, copy.status];
    },
    CANCELLED,
  ],
];

const AFTER: readonly Path[] = [
  [
    "an abort after the end",
    async (fetch) => {
      const controller = new AbortController();
      const body = await (await send(fetch, "json", { signal: controller.signal })).json();
      controller.abort(reason);
      return body;
    },
    SUCCESS,
  ],
  [
    "a second read of the body",
    async (fetch) => {
      const response = await send(fetch, "json");
      await response.text();
      return response.text();
    },
    SUCCESS,
  ],
  ["json() of a stream", async (fetch) => (await send(fetch, "stream")).json(), SUCCESS],
  [
    "break after the finish reason",
    async (fetch) => {
      for await (const chunk of (await send(fetch, "finished-then-open")).body ?? [])
        if (text(chunk).includes("stop")) break;
    },
    SUCCESS,
  ],
  [
    "cancel after the finish reason",
    async (fetch) => {
      const reader = (await send(fetch, "finished-then-open")).body?.getReader();
      for (let seen = ""; !seen.includes("stop");) seen += text((await reader?.read())?.value as Uint8Array);
      await reader?.cancel(reason);
    },
    SUCCESS,
  ],
  [
    "break after [DONE]",
    async (fetch) => {
      for await (const chunk of (await send(fetch, "done-then-open")).body ?? [])
        if (text(chunk).includes("[DONE]")) break;
    },
    SUCCESS,
  ],
  [
    "an abort after [DONE]",
    async (fetch) => {
      const controller = new AbortController();
      const response = await send(fetch, "done-then-open", { signal: controller.signal });
      for await (const chunk of response.body ?? []) if (text(chunk).includes("[DONE]")) controller.abort(reason);
    },
    SUCCESS,
  ],
];

const RELEASED: readonly Path[] = [
  [
    "a reader that is only released",
    async (fetch) => {
      const response = await send(fetch, "stalls");
      (await begin(response)).releaseLock();
      return response.body?.locked;
    },
    { ...CANCELLED, note: "body_abandoned" },
  ],
  [
    "a reader that is only released after [DONE]",
    async (fetch) => {
      const reader = (await send(fetch, "done-then-open")).body?.getReader();
      for (let seen = ""; !seen.includes("[DONE]");) seen += text((await reader?.read())?.value as Uint8Array);
      reader?.releaseLock();
    },
    SUCCESS,
  ],
];

/** An upload of the app's own that fails. */
function upload(fail: (controller: ReadableStreamDefaultController<Uint8Array>) => void): RequestInit {
  let count = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      count += 1;
      if (count < 5) controller.enqueue(new TextEncoder().encode('{"model":"m","messages":['));
      else fail(controller);
    },
  });
  return { body, duplex: "half" } as RequestInit;
}

const UPLOADS: readonly Path[] = [
  [
    "a request body that errors",
    (fetch) =>
      send(
        fetch,
        "json",
        upload((controller) => controller.error(reason)),
      ),
    NETWORK,
  ],
  [
    "a request body whose source throws",
    (fetch) =>
      send(
        fetch,
        "json",
        upload(() => {
          throw reason;
        }),
      ),
    NETWORK,
  ],
  [
    "an abort while the request is still on its way",
    (fetch) => send(fetch, "json", { ...upload(() => {}), signal: abortSoon(reason) }),
    CANCELLED,
  ],
];

describeEachWay((way) => {
  const compare = (run: Path[1], expected: Expected) =>
    expectSameEnd({ way, run, expected, known: KNOWN, hosts: [server.origin] });

  /** It does not see what never reaches it. */
  const isDispatcher = way === "a composed dispatcher";

  it.each(BEFORE_HEADERS.filter(([name]) => !isDispatcher || !name.includes("before the call")))(
    "before the headers: %s",
    async (_name, run, expected) => {
      await compare(run, expected);
    },
  );
  it.each(IN_BODY)("in the body: %s", async (_name, run, expected) => {
    await compare(run, expected);
  });
  it.each(AFTER)("after the answer: %s", async (_name, run, expected) => {
    await compare(run, expected);
  });
  it.each(UPLOADS)("in the request: %s", async (_name, run, expected) => {
    await compare(run, expected);
  });
  // A dispatcher does not see who reads: such a call ends when the Response is collected.
  it.each(isDispatcher ? [] : RELEASED)("%s", async (_name, run, expected) => {
    await compare(run, expected);
  });
});
