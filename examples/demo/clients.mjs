/** The real SDKs, made as an app would make them. `fetch` is the tap's, or absent for a bare run. */
import { createOpenAI } from "@ai-sdk/openai";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import * as ai from "ai";
import OpenAI from "openai";
import * as undici from "undici";

/** @param {{ baseUrl: string, apiKey: string, fetch?: typeof globalThis.fetch }} options */
export function makeClients({ baseUrl, apiKey, fetch }) {
  const options = { apiKey, baseURL: baseUrl, ...(fetch ? { fetch } : {}) };
  return {
    get openai() {
      return new OpenAI({ maxRetries: 0, ...options });
    },
    get anthropic() {
      return new Anthropic({ maxRetries: 0, ...options });
    },
    get gemini() {
      return new GoogleGenAI({ apiKey, httpOptions: { baseUrl, ...(fetch ? { fetch } : {}) } });
    },
    get vercel() {
      return createOpenAI(options);
    },
    ai,
    undici,
    fetch: fetch ?? globalThis.fetch,
    baseUrl,
    apiKey,
  };
}

/**
 * Runs with undici's global dispatcher set to `dispatcher`, as `setGlobalDispatcher(new Agent().compose(tap.interceptor))`
 * does in an app, and puts the old one back.
 */
export async function withDispatcher(interceptor, run) {
  const before = undici.getGlobalDispatcher();
  const agent = new undici.Agent();
  undici.setGlobalDispatcher(interceptor ? agent.compose(interceptor) : agent);
  try {
    return await run();
  } finally {
    undici.setGlobalDispatcher(before);
    await agent.close();
  }
}
