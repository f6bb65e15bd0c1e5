/** The `@anthropic-ai/sdk` client, with a tool. */
import Anthropic from "@anthropic-ai/sdk";
import { createTap } from "llm-tap";
import { consoleSink } from "llm-tap/sinks/console";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("anthropic");
const tap = createTap({ hosts, sinks: [consoleSink()] });
const anthropic = new Anthropic({ apiKey, baseURL, fetch: tap.fetch });

const stream = anthropic.messages.stream({
  model: "claude-sonnet-4-6",
  max_tokens: 300,
  messages: [{ role: "user", content: "What is the weather in Zürich?" }],
  tools: [
    {
      name: "get_weather",
      description: "Weather of a city",
      input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  ],
});
const { content } = await stream.finalMessage();
for (const block of content) console.log(block.type, block.type === "tool_use" ? block.input : block.text);

await tap.close();
await close();
