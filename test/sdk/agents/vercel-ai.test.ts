import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, type ModelMessage, stepCountIs, streamText, tool } from "ai";
import { type Agent, type AgentOptions, describeAgent, SYSTEM } from "./harness.ts";

const city = jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } });

function start({ fetch, baseUrl, tools: run }: AgentOptions, api: "chat" | "responses", isStreamed: boolean): Agent {
  const provider = createOpenAI({ apiKey: "none", baseURL: baseUrl, fetch });
  const model = api === "chat" ? provider.chat("gpt-5-mini") : provider("gpt-5-mini");
  const tools = {
    get_weather: tool({ inputSchema: city, execute: (given) => run.get_weather(given) }),
    get_time: tool({ inputSchema: city, execute: (given) => run.get_time(given) }),
  };
  const messages: ModelMessage[] = [];
  return {
    async ask(question) {
      messages.push({ role: "user", content: question });
      const options = { model, system: SYSTEM, messages: [...messages], tools, stopWhen: stepCountIs(5) };
      const result = isStreamed ? streamText(options) : await generateText(options);
      const text = await result.text;
      messages.push(...(await result.response).messages);
      return text;
    },
  };
}

for (const isStreamed of [false, true]) {
  const how = isStreamed ? "streamText" : "generateText";
  describeAgent({
    name: `AI SDK, ${how}, chat`,
    provider: "openai",
    start: (options) => start(options, "chat", isStreamed),
    linkedBy: { tool: "tool_result", text: "history" },
    retries: true,
  });
  describeAgent({
    name: `AI SDK, ${how}, Responses`,
    provider: "openai",
    start: (options) => start(options, "responses", isStreamed),
    linkedBy: { tool: "tool_result", text: "history" },
    retries: true,
  });
}
