import { expect, it } from "vitest";
import { mistralConversationsParser } from "../../src/parsers/mistral-conversations.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames } from "./run.ts";

describeParserContract({ parser: mistralConversationsParser, route: { provider: "mistral_ai" } });

it.each([
  ["apart from the prompt", { prompt_tokens: 10, completion_tokens: 5, total_tokens: 115, connector_tokens: 100 }, 110],
  ["within the prompt", { prompt_tokens: 110, completion_tokens: 5, total_tokens: 115, connector_tokens: 100 }, 110],
])("counts connector tokens that are %s once", (_name, usage, inputTokens) => {
  const parsed = parseFrames(mistralConversationsParser, [{ kind: "body", value: { outputs: [], usage } }]);
  expect(parsed.usage).toMatchObject({ inputTokens, outputTokens: 5, totalTokens: 115 });
  expect(parsed.usage.inconsistent).toBeUndefined();
});
