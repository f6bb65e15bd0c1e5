/** Traffic that must not keep the process alive: what the tap sends on its own account. */
import { builtIn } from "./built-in.ts";

/**
 * Until the returned function is called, sockets that carry requests of a flow that `isBackground` let the process end.
 * Fetch offers no way to say so; its diagnostics channels hand out the sockets.
 * @see https://undici.nodejs.org/#/docs/api/DiagnosticsChannel
 */
export function releaseSockets(isBackground: () => boolean): () => void {
  const { subscribe, unsubscribe } = builtIn("node:diagnostics_channel");
  const requests = new WeakSet<object>();

  /** Published within the flow of the call. */
  function onRequest(message: unknown): void {
    const { request } = message as { request?: object };
    if (request !== undefined && isBackground()) requests.add(request);
  }

  /** A socket that is used again was made to hold the process right before. */
  function onHeaders(message: unknown): void {
    const { request, socket } = message as { request?: object; socket?: { unref?: () => void } };
    if (request !== undefined && requests.has(request)) socket?.unref?.();
  }

  /** A new socket, published before it connects, which may take as long as the system waits for an answer. */
  function onSocket(message: unknown): void {
    const { socket } = message as { socket?: { unref?: () => void } };
    // In this turn it has nothing yet that could be released.
    if (socket !== undefined && isBackground()) queueMicrotask(() => socket.unref?.());
  }

  subscribe("undici:request:create", onRequest);
  subscribe("undici:client:sendHeaders", onHeaders);
  subscribe("net.client.socket", onSocket);
  return () => {
    unsubscribe("undici:request:create", onRequest);
    unsubscribe("undici:client:sendHeaders", onHeaders);
    unsubscribe("net.client.socket", onSocket);
  };
}
