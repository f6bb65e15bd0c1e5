/** Traffic that must not keep the process alive: what the tap sends on its own account. */
import { builtIn } from "./built-in.ts";
import type { SocketRelease } from "./platform.ts";

/** An origin that requests of ours go to. */
interface Expected {
  count: number;
  /** The app calls it too: whose the next socket is can't be told. */
  isShared: boolean;
}

interface Socket {
  /** Of TLS. */
  encrypted?: boolean;
  ref?: () => void;
  unref?: () => void;
}

/**
 * Sockets that carry requests of a flow that `isBackground` let the process end. Fetch offers no way to say so; its
 * diagnostics channels hand out the sockets.
 * @see https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
 */
export function releaseSockets(isBackground: () => boolean): SocketRelease {
  const { subscribe, unsubscribe } = builtIn("node:diagnostics_channel");
  const requests = new WeakSet<object>();
  const released = new WeakSet<object>();
  const expected = new Map<string, Expected>();
  let marked = 0;
  /** The protocol of a request of ours for which a socket is being made. */
  let connecting: string | undefined;

  function release(socket: Socket): void {
    released.add(socket);
    socket.unref?.();
  }

  /** Published where the request is dispatched. */
  function onRequest(message: unknown): void {
    const { request } = message as { request?: { origin?: unknown } };
    if (request === undefined) return;
    if (isBackground()) {
      requests.add(request);
      marked += 1;
    } else if (expected.size > 0) {
      const known = expected.get(originOf(request.origin));
      if (known !== undefined) known.isShared = true;
    }
  }

  /** A socket that is used again was made to hold the process right before. */
  function onHeaders(message: unknown): void {
    const { request, socket } = message as { request?: object; socket?: Socket };
    if (request === undefined || socket === undefined) return;
    if (requests.has(request)) release(socket);
    // Of HTTP/2, where requests share a socket: undici takes it for one that holds the process already.
    else if (released.delete(socket)) socket.ref?.();
  }

  /** For a request with a body undici connects in a later microtask, where nothing marks one that is not followed. */
  function onConnect(message: unknown): void {
    connecting = undefined;
    if (expected.size === 0 || isBackground()) return;
    const { connectParams } = message as { connectParams?: { protocol?: string; host?: string } };
    const known = expected.get(`${connectParams?.protocol}//${connectParams?.host}`);
    if (known?.isShared !== false) return;
    // The socket comes next, in the same call; Node 20 does not tell of those of TLS.
    connecting = connectParams?.protocol;
    queueMicrotask(() => {
      connecting = undefined;
    });
  }

  /** A new socket, published before it connects, which may take as long as the system waits for an answer. */
  function onSocket(message: unknown): void {
    const { socket } = message as { socket?: Socket };
    if (socket === undefined) return;
    const isExpected = connecting === (socket.encrypted === true ? "https:" : "http:");
    connecting = undefined;
    // In this turn it has nothing yet that could be released.
    if (isExpected || isBackground()) queueMicrotask(() => release(socket));
  }

  const listeners: readonly (readonly [string, (message: unknown) => void])[] = [
    ["undici:request:create", onRequest],
    ["undici:client:sendHeaders", onHeaders],
    ["undici:client:beforeConnect", onConnect],
    ["net.client.socket", onSocket],
  ];
  for (const [name, listener] of listeners) subscribe(name, listener);
  return {
    expect(origin) {
      const known = expected.get(origin) ?? { count: 0, isShared: false };
      expected.set(origin, known);
      known.count += 1;
      return () => {
        known.count -= 1;
        if (known.count === 0) expected.delete(origin);
      };
    },
    get marked() {
      return marked;
    },
    stop() {
      for (const [name, listener] of listeners) unsubscribe(name, listener);
    },
  };
}

/** As undici was given it. */
function originOf(origin: unknown): string {
  return origin instanceof URL ? origin.origin : String(origin);
}
