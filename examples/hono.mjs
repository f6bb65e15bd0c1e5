/** Hono: who asked, for all calls that a request leads to. */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import OpenAI from "openai";
import { openProvider } from "./shared/provider.mjs";
import { askAsTwo } from "./shared/two-users.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const memory = memorySink();
const tap = createTap({ hosts, sinks: [memory] });
const openai = new OpenAI({ apiKey, baseURL, fetch: tap.fetch });

const app = new Hono();
app.use((context, next) =>
  // From your session or token; never from a header that a caller can set.
  tap.run({ userId: context.req.header("x-user"), sessionId: context.req.header("x-session") }, next),
);
app.post("/chat", async (context) => {
  const { messages } = await context.req.json();
  const { choices } = await openai.chat.completions.create({ model: "gpt-4.1-mini", messages });
  return context.json(choices[0].message);
});

const port = await new Promise((resolve) => {
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, (address) => resolve(address.port));
  server.unref();
});
await askAsTwo(`http://127.0.0.1:${port}/chat`);

await tap.flush();
for (const { context } of memory.calls) console.log(context.userId, context.sessionId);
await tap.close();
await close();
