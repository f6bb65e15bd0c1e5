import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { type Agent, type AgentOptions, describeAgent, SYSTEM, type ToolName } from "./harness.ts";

const NAMES: readonly ToolName[] = ["get_weather", "get_time"];

function start({ fetch, baseUrl, tools: run }: AgentOptions, isStreamed: boolean): Agent {
  const client = new Anthropic({ apiKey: "none", baseURL: baseUrl, fetch, maxRetries: 3 });
  const tools = NAMES.map((name) =>
    betaTool({
      name,
      description: name,
      inputSchema: { type: "object", properties: { city: { type: "string" } } },
      run: (given) => run[name](given as Record<string, unknown>),
    }),
  );
  let messages: Anthropic.Beta.BetaMessageParam[] = [];
  return {
    async ask(question) {
      messages.push({ role: "user", content: question });
      const params = { model: "claude-opus-next", max_tokens: 500, system: SYSTEM, messages, tools };
      const runner = isStreamed
        ? client.beta.messages.toolRunner({ ...params, stream: true })
        : client.beta.messages.toolRunner(params);
      const answer = await runner.runUntilDone();
      messages = [...runner.params.messages];
      if (messages.at(-1)?.role !== "assistant") messages.push({ role: "assistant", content: answer.content });
      return answer.content.map((block) => (block.type === "text" ? block.text : "")).join("");
    },
  };
}

for (const isStreamed of [false, true]) {
  describeAgent({
    name: `Anthropic's tool runner${isStreamed ? ", streamed" : ""}`,
    provider: "anthropic",
    start: (options) => start(options, isStreamed),
    linkedBy: { tool: "response_id", text: "history" },
    retries: true,
  });
}
