/**
 * Fastify: who asked, for all calls that a request leads to. In `preHandler`, behind the body parser: what reads a body
 * may go on in another flow, and a context set in `onRequest` would be gone.
 */
import fastify from "fastify";
import { createTap } from "llm-tap";
import { memorySink } from "llm-tap/sinks/memory";
import OpenAI from "openai";
import { openProvider } from "./shared/provider.mjs";
import { askAsTwo } from "./shared/two-users.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const memory = memorySink();
const tap = createTap({ hosts, sinks: [memory] });
const openai = new OpenAI({ apiKey, baseURL, fetch: tap.fetch });

const app = fastify();
app.addHook("preHandler", (request, _reply, done) => {
  // From your session or token; never from a header that a caller can set.
  tap.run({ userId: request.headers["x-user"], sessionId: request.headers["x-session"] }, done);
});
app.post("/chat", async (request) => {
  const { choices } = await openai.chat.completions.create({ model: "gpt-4.1-mini", messages: request.body.messages });
  return choices[0].message;
});

await askAsTwo(`${await app.listen({ host: "127.0.0.1", port: 0 })}/chat`);

await tap.flush();
for (const { context } of memory.calls) console.log(context.userId, context.sessionId);
await tap.close();
await app.close();
await close();
