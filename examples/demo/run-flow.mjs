/** Runs one flow, bare or tapped, and says what the app saw. */
import { makeClients, withDispatcher } from "./clients.mjs";

/**
 * @param {object} flow one of flows.mjs
 * @param {{ tap?: import("llm-tap").Tap, baseUrl: string, apiKey: string }} options without a tap the run is bare
 * @returns {Promise<{ value?: object, error?: { name: string, message: string, cause?: string } }>}
 */
export async function runFlow(flow, { tap, baseUrl, apiKey }) {
  const clients = makeClients({ baseUrl, apiKey, ...(tap && !flow.dispatcher ? { fetch: tap.fetch } : {}) });
  const run = () => flow.run(clients);
  try {
    return { value: await (flow.dispatcher ? withDispatcher(tap?.interceptor, run) : run()) };
  } catch (error) {
    const { message, cause } = error;
    return { error: { name: error.constructor.name, message, ...(cause ? { cause: String(cause) } : {}) } };
  }
}
