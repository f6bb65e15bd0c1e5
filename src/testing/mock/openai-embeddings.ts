/** Embeddings: as numbers, or as the base64 that the `openai` client asks for unasked. */
import { Buffer } from "node:buffer";
import type { MockAnswer, MockRequest, Plan } from "./types.ts";
import { answerFacts, jsonPlan } from "./wire.ts";

export function renderOpenAiEmbeddings(request: MockRequest, answer: MockAnswer): Plan {
  const count = countInputs(request.body["input"]);
  const asBase64 = request.body["encoding_format"] === "base64";
  const data = Array.from({ length: count }, (_, index) => {
    const vector = Float32Array.from({ length: answer.dimensions }, () => answer.random() * 2 - 1);
    const embedding = asBase64 ? Buffer.from(vector.buffer).toString("base64") : [...vector];
    return { object: "embedding", index, embedding };
  });
  const tokens = answer.usage.inputTokens;
  const usage = { prompt_tokens: tokens, total_tokens: tokens };
  return jsonPlan(
    { object: "list", data, model: answer.model, usage },
    {
      ...answerFacts(answer),
      embeddings: { count, dimensions: answer.dimensions },
      usage: { source: "reported", complete: true, inputTokens: tokens, totalTokens: tokens },
    },
  );
}

/** A string or a list of token ids is one input; a list of either is as many. */
export function countInputs(input: unknown): number {
  if (!Array.isArray(input)) return 1;
  return input.every((entry) => typeof entry === "number") ? 1 : input.length;
}
