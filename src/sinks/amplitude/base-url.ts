/** The base URL that an SDK would be configured with, from the URL of one of its requests. */

/** What follows the base: operations of the OpenAI kind, or the resource that a model is named in. */
const AFTER_BASE =
  /\/(?:chat\/completions|completions?|responses|embeddings|messages|complete|images\/\w+|audio\/\w+|moderations|(?:models|model|publishers)\/.*|projects\/.*|chat|embed|rerank|generate(?:_stream)?|ocr|api\/(?:chat|generate|embed|embeddings))(?:\/.*)?$/;

/** `https://api.openai.com/v1` of `https://api.openai.com/v1/chat/completions`; the origin where nothing is known. */
export function baseUrlOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { origin, pathname } = new URL(url);
  if (origin === "null") return undefined;
  const base = pathname.replace(AFTER_BASE, "");
  return base === pathname ? origin : origin + base;
}
