/** Every API with every shape that an error comes in, under an error status and behind a 200, whatever the content type says. */
import { describe, expect, it } from "vitest";
import { parseExchange } from "../../src/parsers/index.ts";

const messages = [{ role: "user", content: "hi" }];
const google = "https://generativelanguage.googleapis.com/v1beta";
const bedrock = "https://bedrock-runtime.us-east-1.amazonaws.com/model";
const vertex = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google/models";
const contents = [{ parts: [{ text: "hi" }] }];

const apis: readonly (readonly [url: string, body: object])[] = [
  ["https://api.anthropic.com/v1/messages", { model: "m", max_tokens: 1, messages }],
  ["https://api.anthropic.com/v1/complete", { model: "m", prompt: "hi" }],
  [`${google}/models/g:generateContent`, { contents }],
  [`${google}/models/g:streamGenerateContent?alt=sse`, { contents }],
  [`${google}/interactions`, { model: "g", input: "hi" }],
  [`${vertex}/text-embedding-005:predict`, { instances: [{ content: "hi" }] }],
  [`${bedrock}/m/converse`, { messages: [{ role: "user", content: [{ text: "hi" }] }] }],
  [`${bedrock}/anthropic.claude/invoke`, { anthropic_version: "v", messages, max_tokens: 1 }],
  ["https://api.cohere.com/v1/chat", { model: "m", message: "hi" }],
  ["https://api.cohere.com/v2/chat", { model: "m", messages }],
  ["https://api.cohere.com/v2/rerank", { model: "m", query: "q", documents: ["a"] }],
  ["https://api.mistral.ai/v1/chat/completions", { model: "m", messages }],
  ["https://api.mistral.ai/v1/conversations", { model: "m", inputs: "hi" }],
  ["https://api.mistral.ai/v1/ocr", { model: "m", document: {} }],
  ["http://localhost:11434/api/chat", { model: "m", messages }],
  ["https://api.voyageai.com/v1/embeddings", { model: "m", input: ["a"] }],
  ["https://us-south.ml.cloud.ibm.com/ml/v1/text/chat?version=1", { model_id: "m", messages }],
  ["https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/m", { messages }],
  ["https://router.huggingface.co/hf-inference/models/gpt2", { inputs: "hi" }],
  ["https://x.endpoints.huggingface.cloud/generate", { inputs: "hi" }],
  ["https://ai-gateway.vercel.sh/v1/ai/language-model", { prompt: [] }],
  ["https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/generation", { model: "m", input: {} }],
  ["https://x.cloud.databricks.com/serving-endpoints/m/invocations", { messages }],
  ["https://inference.generativeai.eu-1.oci.oraclecloud.com/20231130/actions/chat", { chatRequest: {} }],
];

interface Said {
  type?: string;
  code?: string;
  message?: string | RegExp;
}
const boom = { message: "boom", type: "odd" };
const named: Said = { type: "odd", message: "boom" };

const behindSuccess: readonly (readonly [name: string, body: string, said: Said])[] = [
  ["a text under `error`", '{"error":"boom"}', { message: "boom" }],
  ["an object", JSON.stringify({ error: boom }), named],
  ["an object behind white space", `\n\n \r\n${JSON.stringify({ error: boom })}`, named],
  [
    "a list of one",
    '[{"error":{"code":500,"message":"boom","status":"INTERNAL"}}]',
    { type: "INTERNAL", message: "boom" },
  ],
  ["an event", `data: ${JSON.stringify({ error: boom })}\n\n`, named],
  ["a named event", `event: error\r\ndata: ${JSON.stringify({ error: boom })}\r\n\r\n`, named],
  ["a named event of text", "event: error\ndata: boom\n\n", { message: "boom" }],
];

const underStatus: typeof behindSuccess = [
  ...behindSuccess,
  ["nothing", "", {}],
  ["a page", "<html><body>502 Bad Gateway</body></html>", { message: /502 Bad Gateway/ }],
  ["a sentence", "upstream connect error", { message: "upstream connect error" }],
  ["`message`", '{"message":"boom"}', { message: "boom" }],
  ["`detail`", '{"detail":"boom"}', { message: "boom" }],
  ["details", '{"detail":[{"loc":["body"],"msg":"boom","type":"missing"}]}', { message: /boom/ }],
  ["code and type", '{"error":{"message":"boom","type":"odd","code":"c"}}', { ...named, code: "c" }],
  ["no message", '{"error":{"message":null,"type":"odd"}}', { type: "odd" }],
  ["a list of errors", '{"errors":[{"code":7,"message":"boom"}]}', { code: "7", message: "boom" }],
  [
    "AWS's type",
    '{"__type":"a.b#ThrottlingException","message":"boom"}',
    { type: "ThrottlingException", message: "boom" },
  ],
  ["null", "null", {}],
  ["an empty list", "[]", {}],
  ["a JSON text", '"boom"', { message: /boom/ }],
];

function expectError([url, request]: (typeof apis)[number], status: number, body: string, said: Said): void {
  for (const type of ["application/json", "text/event-stream", "text/html", ""]) {
    const headers: Record<string, string> = type === "" ? {} : { "content-type": type };
    const call = parseExchange({
      request: { method: "POST", url, body: request },
      response: { status, headers, body },
    });
    const where = `as "${type}"`;
    expect(call?.outcome, where).toBe("error");
    expect(call?.error?.status, where).toBe(status >= 400 ? status : undefined);
    expect(call?.error?.message, where).not.toBe("");
    if (said.type !== undefined) expect(call?.error?.type, where).toBe(said.type);
    if (said.code !== undefined) expect(call?.error?.code, where).toBe(said.code);
    if (typeof said.message === "string") expect(call?.error?.message, where).toBe(said.message);
    else if (said.message !== undefined) expect(call?.error?.message, where).toMatch(said.message);
    expect(call?.usage, where).toMatchObject({ source: "missing", missingReason: "error_response" });
    if (status >= 400) expect(call?.streaming, where).toBe(false);
  }
}

describe.each(apis)("an error of %s", (...api) => {
  it.each(underStatus)("is %s under 500", (_name, body, said) => expectError(api, 500, body, said));
  it.each(behindSuccess)("is %s behind 200", (_name, body, said) => expectError(api, 200, body, said));
});
