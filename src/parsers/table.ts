/** Which parser reads which API. Adding an API is one parser file, one fixture folder, one row here. */
import type { Api } from "../types.ts";
import type { Parser } from "./parser.ts";
import { anthropicCompleteParser } from "./anthropic-complete.ts";
import { anthropicMessagesParser } from "./anthropic-messages.ts";
import { bedrockConverseParser } from "./bedrock-converse.ts";
import { bedrockInvokeParser } from "./bedrock-invoke.ts";
import { cloudflareRunParser } from "./cloudflare-run.ts";
import { cohereV1Parser } from "./cohere-v1.ts";
import { cohereV2Parser } from "./cohere-v2.ts";
import { dashscopeParser } from "./dashscope.ts";
import { geminiInteractionsParser } from "./gemini-interactions.ts";
import { geminiParser } from "./gemini.ts";
import { hfTaskParser } from "./hf-task.ts";
import { mistralConversationsParser } from "./mistral-conversations.ts";
import { mistralOcrParser } from "./mistral-ocr.ts";
import { modelServingParser } from "./model-serving.ts";
import { ociGenerativeAiParser } from "./oci-generative-ai.ts";
import { ollamaParser } from "./ollama.ts";
import { openaiAudioParser } from "./openai-audio.ts";
import { openaiChatParser } from "./openai-chat.ts";
import { openaiCompletionsParser } from "./openai-completions.ts";
import { openaiEmbeddingsParser } from "./openai-embeddings.ts";
import { openaiImagesParser } from "./openai-images.ts";
import { openaiModerationParser } from "./openai-moderation.ts";
import { openaiResponsesParser } from "./openai-responses.ts";
import { openaiThreadsParser } from "./openai-threads.ts";
import { replicateParser } from "./replicate.ts";
import { rerankParser } from "./rerank.ts";
import { tgiParser } from "./tgi.ts";
import { vercelAiParser } from "./vercel-ai.ts";
import { vertexPredictParser } from "./vertex-predict.ts";
import { watsonxParser } from "./watsonx.ts";

const PARSERS: Readonly<Record<Api, Parser>> = {
  "openai-chat": openaiChatParser,
  "openai-responses": openaiResponsesParser,
  "openai-completions": openaiCompletionsParser,
  "openai-embeddings": openaiEmbeddingsParser,
  "openai-images": openaiImagesParser,
  "openai-audio": openaiAudioParser,
  "openai-moderation": openaiModerationParser,
  "openai-threads": openaiThreadsParser,
  "anthropic-messages": anthropicMessagesParser,
  "anthropic-complete": anthropicCompleteParser,
  gemini: geminiParser,
  "gemini-interactions": geminiInteractionsParser,
  "vertex-predict": vertexPredictParser,
  "bedrock-converse": bedrockConverseParser,
  "bedrock-invoke": bedrockInvokeParser,
  "cohere-v1": cohereV1Parser,
  "cohere-v2": cohereV2Parser,
  rerank: rerankParser,
  "mistral-conversations": mistralConversationsParser,
  "mistral-ocr": mistralOcrParser,
  ollama: ollamaParser,
  "hf-task": hfTaskParser,
  tgi: tgiParser,
  replicate: replicateParser,
  watsonx: watsonxParser,
  "cloudflare-run": cloudflareRunParser,
  "vercel-ai": vercelAiParser,
  dashscope: dashscopeParser,
  "oci-generative-ai": ociGenerativeAiParser,
  "model-serving": modelServingParser,
};

/** The parser of an API. */
export function findParser(api: Api): Parser | undefined {
  return PARSERS[api];
}
