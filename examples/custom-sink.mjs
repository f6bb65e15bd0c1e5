/** A sink of your own: `write` resolves when the destination has the records, and says so for each. */
import { createTap } from "llm-tap";
import OpenAI from "openai";
import { openProvider } from "./shared/provider.mjs";

/** Adds up tokens and money by model. */
function totalsSink() {
  const totals = new Map();
  return {
    name: "totals",
    content: "metadata", // it needs no prompts, so it gets none
    totals,
    write: async (records) => {
      for (const record of records) {
        if (record.type !== "call") continue;
        const model = record.response?.model ?? record.request.model ?? "unknown";
        const sum = totals.get(model) ?? { calls: 0, tokens: 0, usd: 0 };
        sum.calls += 1;
        sum.tokens += record.usage.totalTokens ?? 0;
        sum.usd += record.cost?.totalUsd ?? 0;
        totals.set(model, sum);
      }
      return { results: records.map(() => "delivered") };
    },
  };
}

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const sink = totalsSink();
const tap = createTap({ hosts, sinks: [sink] });
const openai = new OpenAI({ apiKey, baseURL, fetch: tap.fetch });

for (const model of ["gpt-4.1-mini", "gpt-4.1", "gpt-4.1-mini"]) {
  await openai.chat.completions.create({ model, messages: [{ role: "user", content: "Hello" }] });
}
await tap.flush();
for (const [model, { calls, tokens, usd }] of sink.totals) {
  console.log(`${model}: ${calls} calls, ${tokens} tokens, $${usd.toFixed(6)}`);
}

await tap.close();
await close();
