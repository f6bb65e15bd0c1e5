/** Lets every example run without a key: the real API when its key is set, a local mock otherwise. */
import process from "node:process";

const apis = {
  openai: { variable: "OPENAI_API_KEY", baseURL: "https://api.openai.com/v1" },
  anthropic: { variable: "ANTHROPIC_API_KEY", baseURL: "https://api.anthropic.com" },
  gemini: { variable: "GEMINI_API_KEY", baseURL: "https://generativelanguage.googleapis.com" },
};

/**
 * @param {"openai" | "anthropic" | "gemini"} name
 * @returns `hosts` goes to `createTap`: it is empty for the real API, whose host the tap knows.
 */
export async function openProvider(name) {
  const { variable, baseURL } = apis[name];
  const apiKey = process.env[variable];
  if (apiKey) return { apiKey, baseURL, hosts: {}, close: async () => {} };
  const { startMockProviders } = await import("llm-tap/testing");
  const mock = await startMockProviders();
  return { apiKey: "no-key", baseURL: mock.baseUrl(name), hosts: mock.hosts, close: mock.close };
}
