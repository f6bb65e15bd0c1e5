import { Agent as SdkAgent, Runner, setTracingDisabled, tool } from "@openai/agents-core";
import { OpenAIProvider } from "@openai/agents-openai";
import OpenAI from "openai";
import { z } from "zod";
import { type Agent, type AgentOptions, describeAgent, SYSTEM, type ToolName } from "./harness.ts";

setTracingDisabled(true);
const NAMES: readonly ToolName[] = ["get_weather", "get_time"];

function start(options: AgentOptions, useResponses: boolean): Agent {
  const client = new OpenAI({ apiKey: "none", baseURL: options.baseUrl, fetch: options.fetch, maxRetries: 3 });
  const runner = new Runner({
    modelProvider: new OpenAIProvider({ openAIClient: client, useResponses }),
    tracingDisabled: true,
  });
  const agent = new SdkAgent({
    name: "weather",
    instructions: SYSTEM,
    model: "gpt-5-mini",
    tools: NAMES.map((name) =>
      tool({
        name,
        description: name,
        parameters: z.object({ city: z.string() }),
        execute: (given) => options.tools[name](given),
      }),
    ),
  });
  let history: Parameters<typeof runner.run>[1] = [];
  return {
    async ask(question) {
      const result = await runner.run(agent, [
        ...(history as unknown[]),
        { role: "user", content: question },
      ] as typeof history);
      history = result.history;
      return String(result.finalOutput);
    },
  };
}

for (const useResponses of [true, false]) {
  describeAgent({
    name: `OpenAI Agents SDK, ${useResponses ? "Responses" : "chat"}`,
    provider: "openai",
    start: (options) => start(options, useResponses),
    linkedBy: { tool: "tool_result", text: "history" },
    retries: true,
  });
}
