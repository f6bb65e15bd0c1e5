/**
 * What of `parameters` and `usage.raw` passes with content off: numbers, booleans and words of a closed list, under keys
 * that are names. `metadata`, `user`, `stop`, `prediction`, `response_format` and everything unknown carry text.
 */

/** Objects in `parameters` whose fields are settings too. Others (`metadata`, `logit_bias`, schemas) are dropped whole. */
const settingObjects: ReadonlySet<string> = new Set([
  "generationConfig",
  "generation_config",
  "inferenceConfig",
  "options",
  "parameters",
  "reasoning",
  "thinking",
  "thinkingConfig",
  "thinking_config",
  "stream_options",
  "streamOptions",
  "response_format",
  "text",
  "format",
  "audio",
  "tool_choice",
  "toolChoice",
  "toolConfig",
  "tool_config",
  "functionCallingConfig",
  "function_calling_config",
  "output_config",
  "outputConfig",
  "cache_control",
  "prompt_cache_options",
  "performanceConfig",
  "serviceTier",
  "web_search_options",
  "usage",
  "imageConfig",
  "image_config",
  "speechConfig",
  "textGenerationConfig",
  "turn_detection",
]);

/** Fields whose value is a word of the list below. */
const wordFields: ReadonlySet<string> = new Set([
  "type",
  "mode",
  "effort",
  "reasoning_effort",
  "verbosity",
  "service_tier",
  "serviceTier",
  "tier",
  "tool_choice",
  "toolChoice",
  "function_call",
  "truncation",
  "truncate",
  "response_format",
  "responseMimeType",
  "response_mime_type",
  "responseModalities",
  "response_modalities",
  "modalities",
  "modality",
  "encoding_format",
  "embedding_types",
  "input_type",
  "taskType",
  "task_type",
  "format",
  "output_format",
  "quality",
  "size",
  "style",
  "background",
  "moderation",
  "summary",
  "display",
  "ttl",
  "latency",
  "speed",
  "inference_geo",
  "prompt_cache_retention",
  "prompt_mode",
  "reasoning_format",
  "safety_mode",
  "search_context_size",
  "thinkingLevel",
  "thinking_level",
  "mediaResolution",
  "aspectRatio",
  "aspect_ratio",
  "imageSize",
  "trafficType",
  "traffic_type",
  "timestamp_granularities",
  "image_detail",
]);

const words: ReadonlySet<string> = new Set(
  (
    "auto none required any default standard standard_only flex priority batch scale reserved on_demand on_demand_flex " +
    "on_demand_priority provisioned_throughput performance fast slow low minimal medium high xhigh max disabled enabled adaptive " +
    "between_tools disable enable function tool tools custom allowed_tools validated json json_object json_schema text audio image " +
    "video document text/plain application/json text/x.enum float base64 int8 uint8 binary ubinary url b64_json verbose_json srt " +
    "vtt mp3 wav opus aac flac pcm pcm16 png jpeg webp hd vivid natural transparent opaque concise detailed summarized omitted " +
    "full optimized ephemeral 5m 30m 1h 12h 24h in_memory in-memory start end left right search_document search_query " +
    "classification clustering query passage retrieval_query retrieval_document semantic_similarity question_answering " +
    "fact_verification code_retrieval_query contextual strict off on parsed raw hidden reasoning word segment us eu global " +
    "not_available media_resolution_low media_resolution_medium media_resolution_high grammar regex compaction message " +
    "advisor_message fallback_message web_search traffic_type_unspecified unspecified"
  ).split(" "),
);

/** `1024x1024`, `16:9`, `1K`. */
const MEASURE = /^\d{1,5}(?:[x:]\d{1,5}|[KkPp])$/;

const FIELD_NAME = /^[A-Za-z][\w-]{0,63}$/;
const MAX_DEPTH = 6;
const MAX_ENTRIES = 200;

/** The settings of a request, without anything that could be a person's or a program's own words. */
export function keepParameterFacts(parameters: Record<string, unknown>): Record<string, unknown> {
  return (keepFacts(parameters, (key) => settingObjects.has(key), 0) ?? {}) as Record<string, unknown>;
}

/** The counts of a usage object. */
export function keepUsageFacts(raw: unknown): unknown {
  return keepFacts(raw, () => true, 0);
}

type Opens = (key: string) => boolean;

function keepFacts(value: unknown, opens: Opens, depth: number): unknown {
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) return keepArray(value, opens, depth);
  const facts: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value).slice(0, MAX_ENTRIES)) {
    if (!FIELD_NAME.test(key)) continue;
    const kept = keepField(key, item, opens, depth);
    if (kept !== undefined) facts[key] = kept;
  }
  return Object.keys(facts).length === 0 && depth > 0 ? undefined : facts;
}

function keepField(key: string, item: unknown, opens: Opens, depth: number): unknown {
  if (typeof item === "string") return wordFields.has(key) ? keepWord(item) : undefined;
  if (Array.isArray(item) && wordFields.has(key)) {
    const kept = item.slice(0, MAX_ENTRIES).map((entry) => (typeof entry === "string" ? keepWord(entry) : undefined));
    if (kept.length > 0 && kept.every((entry) => entry !== undefined)) return kept;
  }
  return typeof item === "object" && !opens(key) ? undefined : keepFacts(item, opens, depth + 1);
}

/** Of numbers in an array nobody knows what they count (token ids are content): only objects are looked into. */
function keepArray(items: readonly unknown[], opens: Opens, depth: number): unknown {
  const kept = items
    .slice(0, MAX_ENTRIES)
    .map((item) => (typeof item === "object" ? keepFacts(item, opens, depth + 1) : undefined))
    .filter((item) => item !== undefined);
  return kept.length === 0 ? undefined : kept;
}

function keepWord(word: string): string | undefined {
  return words.has(word.toLowerCase()) || MEASURE.test(word) ? word : undefined;
}
