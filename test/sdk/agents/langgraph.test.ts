import { type BaseMessage, HumanMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { createReactAgent } from "@langchain/langgraph/prebuilt";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { type Agent, type AgentOptions, describeAgent, SYSTEM, type ToolName } from "./harness.ts";

const NAMES: readonly ToolName[] = ["get_weather", "get_time"];

function start(options: AgentOptions, useResponsesApi: boolean): Agent {
  const llm = new ChatOpenAI({
    model: "gpt-5-mini",
    apiKey: "none",
    maxRetries: 3,
    useResponsesApi,
    configuration: { baseURL: options.baseUrl, fetch: options.fetch },
  });
  const agent = createReactAgent({
    llm,
    prompt: SYSTEM,
    tools: NAMES.map((name) =>
      tool((given: Record<string, unknown>) => options.tools[name](given), {
        name,
        description: name,
        schema: z.object({ city: z.string() }),
      }),
    ),
  });
  let messages: BaseMessage[] = [];
  return {
    async ask(question) {
      const result = await agent.invoke({ messages: [...messages, new HumanMessage(question)] });
      ({ messages } = result);
      return messages.at(-1)?.text ?? "";
    },
  };
}

for (const useResponsesApi of [false, true]) {
  describeAgent({
    name: `LangGraph, ${useResponsesApi ? "Responses" : "chat"}`,
    provider: "openai",
    start: (options) => start(options, useResponsesApi),
    linkedBy: { tool: "tool_result", text: "history" },
  });
}
