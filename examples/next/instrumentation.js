/** Next calls this once when a server starts, before any request: with it the calls of all SDKs are seen. */
export async function register() {
  // Not on the edge, where there is no global dispatcher: there pass `tap.fetch` to your SDK.
  if (process.env.NEXT_RUNTIME === "edge") return;
  const { tap } = await import("./lib/tap.js");
  tap.install();
}
