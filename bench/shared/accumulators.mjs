/** The official SDKs' own ways from the bytes of an answer to the whole of it. */

/** Whether an exchange was answered with Server-Sent Events. */
export const isStream = ({ response }) => /event-stream/.test(response.headers["content-type"] ?? "");

/** A `fetch` that answers with one exchange, in its chunks. */
function answerWith(holder) {
  return () => {
    const { status, headers, chunks, body } = holder.exchange.response;
    const type = headers["content-type"] ?? "application/json";
    const given = isStream(holder.exchange) ? ReadableStream.from(chunks.map(({ bytes }) => bytes)) : body;
    return Promise.resolve(new Response(given, { status, headers: { "content-type": type } }));
  };
}

/** @returns reads an exchange whose `response.chunks` are set; rejects for what the SDK cannot read */
export async function makeAccumulator(sdk) {
  const holder = { exchange: undefined };
  const fetch = answerWith(holder);
  const use = await ACCUMULATORS[sdk](fetch);
  return (exchange) => {
    holder.exchange = exchange;
    return use(isStream(exchange));
  };
}

const messages = [{ role: "user", content: "hi" }];
const ACCUMULATORS = {
  async "openai-chat"(fetch) {
    const { default: OpenAI } = await import("openai");
    const client = new OpenAI({ apiKey: "x", fetch, maxRetries: 0 });
    const request = { model: "m", messages };
    return (streams) =>
      streams ? client.chat.completions.stream(request).finalChatCompletion() : client.chat.completions.create(request);
  },
  async "openai-responses"(fetch) {
    const { default: OpenAI } = await import("openai");
    const client = new OpenAI({ apiKey: "x", fetch, maxRetries: 0 });
    return () => client.responses.stream({ model: "m", input: "hi" }).finalResponse();
  },
  async anthropic(fetch) {
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const client = new Anthropic({ apiKey: "x", fetch, maxRetries: 0 });
    const request = { model: "m", max_tokens: 9, messages };
    return (streams) => (streams ? client.messages.stream(request).finalMessage() : client.messages.create(request));
  },
  async gemini(fetch) {
    const { GoogleGenAI } = await import("@google/genai");
    // It takes no fetch, and has no accumulator: its chunks are read to the end.
    globalThis.fetch = fetch;
    const client = new GoogleGenAI({ apiKey: "x" });
    return async () => {
      for await (const _chunk of await client.models.generateContentStream({ model: "m", contents: "hi" }));
    };
  },
};
