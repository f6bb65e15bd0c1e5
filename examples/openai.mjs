/** The `openai` client: give it `tap.fetch`. Everything that it can do stays as it is. */
import { createTap } from "llm-tap";
import { consoleSink } from "llm-tap/sinks/console";
import OpenAI from "openai";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const tap = createTap({ hosts, sinks: [consoleSink()] });
const openai = new OpenAI({ apiKey, baseURL, fetch: tap.fetch });

const stream = await openai.chat.completions.create({
  model: "gpt-4.1-mini",
  messages: [{ role: "user", content: "Write one sentence about rivers." }],
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
console.log();

await tap.close();
await close();
