/**
 * Who asked: `tap.run` for all calls inside, or headers on one request. The headers are removed before it leaves;
 * values are percent-decoded, because `fetch` takes no other letters than Latin ones in a header.
 */
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import OpenAI from "openai";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const memory = memorySink();
const tap = createTap({ hosts, sinks: [memory] });
const openai = new OpenAI({ apiKey, baseURL, fetch: tap.fetch });
const question = { model: "gpt-4.1-mini", messages: [{ role: "user", content: "Hello" }] };

await tap.run({ userId: "user-1", sessionId: "1790000000000", properties: { plan: "pro" } }, () =>
  openai.chat.completions.create(question),
);
await openai.chat.completions.create(question, {
  headers: { "x-llm-tap-user-id": encodeURIComponent("张三"), "x-llm-tap-privacy-mode": "true" },
});

await tap.flush();
for (const { context, capture } of memory.calls) console.log(context.userId, context.properties ?? {}, capture.content);

await tap.close();
await close();
