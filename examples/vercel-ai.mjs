/** The Vercel AI SDK: every `create…` of its providers takes `fetch`. */
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, tool } from "ai";
import { createTap } from "llm-tap";
import { consoleSink } from "llm-tap/sinks/console";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const tap = createTap({ hosts, sinks: [consoleSink()] });
const openai = createOpenAI({ apiKey, baseURL, fetch: tap.fetch });

const { text, steps } = await generateText({
  model: openai.chat("gpt-4.1-mini"),
  prompt: "What is the weather in Zürich?",
  tools: {
    get_weather: tool({
      description: "Weather of a city",
      inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
      execute: ({ city }) => `sunny in ${city}`,
    }),
  },
  stopWhen: stepCountIs(3),
});
console.log(`${steps.length} steps: ${text}`);

await tap.close();
await close();
