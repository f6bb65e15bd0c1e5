/**
 * Express: who asked, for all calls that a request leads to. Behind the body parser: what reads a body may go on in
 * another flow, and a context set before it would be gone.
 */
import { once } from "node:events";
import express from "express";
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import OpenAI from "openai";
import { openProvider } from "./shared/provider.mjs";
import { askAsTwo } from "./shared/two-users.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const memory = memorySink();
const tap = createTap({ hosts, sinks: [memory] });
const openai = new OpenAI({ apiKey, baseURL, fetch: tap.fetch });

const app = express();
app.use(express.json());
app.use((request, _response, next) => {
  // From your session or token; never from a header that a caller can set.
  tap.run({ userId: request.get("x-user"), sessionId: request.get("x-session") }, next);
});
app.post("/chat", async (request, response) => {
  const { choices } = await openai.chat.completions.create({ model: "gpt-4.1-mini", messages: request.body.messages });
  response.json(choices[0].message);
});

const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
await askAsTwo(`http://127.0.0.1:${server.address().port}/chat`);

await tap.flush();
for (const { context } of memory.calls) console.log(context.userId, context.sessionId);
await tap.close();
server.close();
await close();
