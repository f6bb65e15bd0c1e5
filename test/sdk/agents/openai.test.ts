import OpenAI from "openai";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { type Agent, type AgentOptions, describeAgent, SYSTEM, type ToolName } from "./harness.ts";

const parameters = { type: "object", properties: { city: { type: "string" } } };
const NAMES: readonly ToolName[] = ["get_weather", "get_time"];

function createClient({ fetch, baseUrl }: AgentOptions): OpenAI {
  return new OpenAI({ apiKey: "none", baseURL: baseUrl, fetch, maxRetries: 3 });
}

function startChat(options: AgentOptions, isStreamed: boolean): Agent {
  const client = createClient(options);
  const messages: ChatCompletionMessageParam[] = [{ role: "system", content: SYSTEM }];
  const tools = NAMES.map((name) => ({
    type: "function" as const,
    function: {
      name,
      description: name,
      parameters,
      parse: JSON.parse as (text: string) => Record<string, unknown>,
      function: (given: Record<string, unknown>) => options.tools[name](given),
    },
  }));
  return {
    async ask(question) {
      messages.push({ role: "user", content: question });
      const params = { model: "gpt-5-mini", messages: [...messages], tools };
      const runner = isStreamed
        ? client.chat.completions.runTools({ ...params, stream: true })
        : client.chat.completions.runTools(params);
      const text = await runner.finalContent();
      messages.splice(0, messages.length, ...runner.messages);
      return text ?? "";
    },
  };
}

/** The loop that everybody writes by hand. */
function startResponses(options: AgentOptions, store: "ids" | "history"): Agent {
  const client = createClient(options);
  const tools = NAMES.map((name) => ({ type: "function" as const, name, parameters, strict: false }));
  let input: OpenAI.Responses.ResponseInput = [];
  let previous: string | undefined;
  return {
    async ask(question) {
      input.push({ role: "user", content: question });
      for (;;) {
        const response = await client.responses.create({
          model: "gpt-5-mini",
          instructions: SYSTEM,
          input,
          tools,
          ...(store === "ids" ? { previous_response_id: previous ?? null } : { store: false }),
        });
        previous = response.id;
        const calls = response.output.filter((item) => item.type === "function_call");
        const results = await Promise.all(
          calls.map(async ({ call_id, name, arguments: given }) => ({
            type: "function_call_output" as const,
            call_id,
            output: await options.tools[name as ToolName](JSON.parse(given) as Record<string, unknown>),
          })),
        );
        input = store === "ids" ? results : ([...input, ...response.output, ...results] as typeof input);
        if (calls.length === 0) return response.output_text;
      }
    },
  };
}

for (const isStreamed of [false, true]) {
  describeAgent({
    name: `OpenAI, runTools${isStreamed ? ", streamed" : ""}`,
    provider: "openai",
    start: (options) => startChat(options, isStreamed),
    linkedBy: { tool: "tool_result", text: "history" },
    retries: true,
  });
}

describeAgent({
  name: "OpenAI, Responses by previous_response_id",
  provider: "openai",
  start: (options) => startResponses(options, "ids"),
  linkedBy: { tool: "response_id", text: "response_id" },
  retries: true,
});

describeAgent({
  name: "OpenAI, Responses with the whole history",
  provider: "openai",
  start: (options) => startResponses(options, "history"),
  linkedBy: { tool: "tool_result", text: "history" },
  retries: true,
});
