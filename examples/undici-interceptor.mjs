/** `undici`: compose the interceptor, and `request`, `stream`, `pipeline` and undici's `fetch` are tapped. */
import { createTap } from "llm-tap";
import { consoleSink } from "llm-tap/sinks/console";
import { Agent, request, setGlobalDispatcher } from "undici";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("anthropic");
const tap = createTap({ hosts, sinks: [consoleSink()] });
setGlobalDispatcher(new Agent().compose(tap.interceptor));

const { statusCode, body } = await request(`${baseURL}/v1/messages`, {
  method: "POST",
  headers: { "content-type": "application/json", "x-api-key": apiKey, "anthropic-version": "2023-06-01" },
  body: JSON.stringify({
    model: "claude-sonnet-4-6",
    max_tokens: 100,
    messages: [{ role: "user", content: "Write one sentence about rivers." }],
  }),
});
const { content } = await body.json();
console.log(statusCode, content[0].text);

await tap.close();
await close();
