/** How the calls of each SDK and HTTP client become visible. */
import { type Line, no, note, yes } from "../report.ts";
import { type FoundPackage, findPackage } from "./packages.ts";

interface Client {
  /** Package name. */
  name: string;
  /** How to hand it a tap; `undefined` where only `install()` and register see it. */
  option?: string;
  /** Something that has to be done, or can't be. */
  advice?: string;
  /** A package that the advice takes for granted. */
  needs?: string;
  /** `no`: nothing makes it visible. Default `yes`. */
  seen?: "yes" | "no" | "with advice";
}

/** SDKs of providers and frameworks, as read in their packages. */
const SDKS: readonly Client[] = [
  { name: "openai", option: "new OpenAI({ fetch: tap.fetch })" },
  { name: "@anthropic-ai/sdk", option: "new Anthropic({ fetch: tap.fetch })" },
  { name: "@google/genai", advice: "better not with httpOptions.fetch: it then drops its own time limits" },
  { name: "groq-sdk", option: "new Groq({ fetch: tap.fetch })" },
  { name: "together-ai", option: "new Together({ fetch: tap.fetch })" },
  { name: "@mistralai/mistralai", option: "httpClient: new HTTPClient({ fetcher: tap.fetch })" },
  { name: "@openrouter/sdk", option: "httpClient: new HTTPClient({ fetcher: tap.fetch })" },
  { name: "cohere-ai", option: "new CohereClientV2({ fetch: tap.fetch })" },
  { name: "ollama", option: "new Ollama({ fetch: tap.fetch })" },
  { name: "ai", option: "fetch: tap.fetch of each provider, like createOpenAI({ fetch: tap.fetch })" },
  { name: "@huggingface/inference", option: "new InferenceClient(token, { fetch: tap.fetch })" },
  { name: "@langchain/openai", option: "new ChatOpenAI({ configuration: { fetch: tap.fetch } })" },
  { name: "@langchain/anthropic", option: "new ChatAnthropic({ clientOptions: { fetch: tap.fetch } })" },
  {
    name: "@aws-sdk/client-bedrock-runtime",
    seen: "with advice",
    needs: "@smithy/fetch-http-handler",
    advice:
      'speaks node:http2; make it use fetch, for register or install() to see: import { FetchHttpHandler } from "@smithy/fetch-http-handler", then new BedrockRuntimeClient({ requestHandler: new FetchHttpHandler() })',
  },
  { name: "@google-cloud/aiplatform", seen: "no", advice: "speaks gRPC; @google/genai with vertexai: true is seen" },
];

/** HTTP clients that an app may call a provider with. */
const CLIENTS: readonly Client[] = [
  {
    name: "axios",
    seen: "with advice",
    advice: 'speaks node:http; with { adapter: "fetch" } it is seen',
  },
  {
    name: "node-fetch",
    seen: "with advice",
    advice: "speaks node:http; seen through tap.wrapFetch(nodeFetch) only",
  },
  { name: "got", seen: "no", advice: "speaks node:http" },
  { name: "superagent", seen: "no", advice: "speaks node:http" },
  { name: "ws", seen: "no", advice: "WebSockets (OpenAI Realtime, Gemini Live) are not seen" },
  { name: "@grpc/grpc-js", seen: "no", advice: "gRPC is not seen" },
];

/** What is said of each SDK that is in reach; one line when none is. */
export function describeSdks(from: string): Line[] {
  const lines = describeAll(SDKS, from);
  return lines.length === 0 ? [note(`none that is known below ${from}`)] : lines;
}

/** What is said of each HTTP client that the app itself could use. */
export function describeClients(from: string): Line[] {
  return describeAll(CLIENTS, from);
}

function describeAll(clients: readonly Client[], from: string): Line[] {
  return clients.flatMap((client) => {
    const found = findPackage(client.name, from);
    if (found === undefined) return [];
    const { needs } = client;
    const isMissing = needs !== undefined && findPackage(needs, from) === undefined;
    return [
      describeClient(client, found),
      ...(isMissing ? [note(`${needs} is not in reach: npm install ${needs}`)] : []),
    ];
  });
}

function describeClient({ name, option, advice, seen = "yes" }: Client, found: FoundPackage): Line {
  const label = `${name} ${found.version}`;
  if (seen === "no") return no(`${label}: ${advice ?? "not seen"}`);
  if (seen === "with advice") return note(`${label}: ${advice ?? ""}`);
  // Older versions of the generated SDKs bring a fetch of their own, which is node:http.
  if (found.dependencies.includes("node-fetch") && option !== undefined) {
    return note(`${label}: this version brings node-fetch, which only ${option} makes visible`);
  }
  const ways = ["register, install()", ...(option === undefined ? [] : [option])].join(", or ");
  return yes(`${label}: seen by ${ways}${advice === undefined ? "" : ` (${advice})`}`);
}
