/** Everything in the process, also SDKs that take no `fetch` and code that isn't yours. */
import { createTap } from "llm-tap";
import { consoleSink } from "llm-tap/sinks/console";
import OpenAI from "openai";
import { openProvider } from "./shared/provider.mjs";

const { apiKey, baseURL, hosts, close } = await openProvider("openai");
const tap = createTap({ hosts, sinks: [consoleSink()] });
const restore = tap.install();

const openai = new OpenAI({ apiKey, baseURL });
const { data } = await openai.embeddings.create({ model: "text-embedding-3-small", input: ["rivers", "tides"] });
console.log(`${data.length} vectors`);

restore(); // from here on nothing is tapped
await tap.close();
await close();
