/** No SDK at all: `tap.fetch` is a `fetch`. */
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const memory = memorySink();
const tap = createTap({ hosts, sinks: [memory] });

const response = await tap.fetch(`${baseURL}/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${apiKey}` },
  body: JSON.stringify({ model: "gpt-4.1-mini", messages: [{ role: "user", content: "Hello" }] }),
});
const { choices } = await response.json();
console.log(choices[0].message.content);

await tap.flush();
const [call] = memory.calls;
console.log(`${call.provider} ${call.response.model}: ${call.usage.inputTokens} in, ${call.usage.outputTokens} out`);

await tap.close();
await close();
