/**
 * `@google/genai`: through `install()`, because the SDK sets time limits of its own on its own dispatcher and drops them
 * when it is given a `fetch`. A host that the tap doesn't know (a mock, a gateway) has to be named for `install()`.
 */
import { GoogleGenAI } from "@google/genai";
import { createTap } from "llm-tap";
import { consoleSink } from "llm-tap/sinks/console";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("gemini");
const tap = createTap({ hosts, sinks: [consoleSink()] });
tap.install();

const gemini = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: baseURL } });
const stream = await gemini.models.generateContentStream({
  model: "gemini-2.5-flash",
  contents: "Write one sentence about rivers.",
});
for await (const chunk of stream) process.stdout.write(chunk.text ?? "");
console.log();

await tap.close(); // also takes the installation back
await close();
