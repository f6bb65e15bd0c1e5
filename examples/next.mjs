/** Next.js: `examples/next` is what you add to an app. Here its parts are called as Next would, without a build. */
import process from "node:process";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
Object.assign(process.env, { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: baseURL });
globalThis.llmTapHosts = hosts;

const { register } = await import("./next/instrumentation.js");
await register();
const { POST } = await import("./next/app/api/chat/route.js");
const { memory, tap } = await import("./next/lib/tap.js");

const ask = (user) =>
  POST(
    new Request("http://localhost/api/chat", {
      method: "POST",
      headers: { "x-user": user, "x-session": `session-of-${user}` },
      body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }] }),
    }),
  );
await Promise.all(["ann", "bob"].map(ask));

for (const { context } of memory.calls) console.log(context.userId, context.sessionId);
await tap.close();
await close();
