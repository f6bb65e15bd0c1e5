/** The body of a request, in whichever form the interceptor has kept it. */
import { concat } from "../decode/bytes.ts";
import { decodeRequestBody, parseJsonText, type ParsedBody } from "../decode/request-body.ts";
import type { Api, Exchange } from "../types.ts";
import type { RequestMemory } from "./request-memory.ts";

/** @param memory - of what earlier requests began with */
export function readRequestBody(exchange: Exchange, memory?: RequestMemory): ParsedBody {
  const contentType = exchange.requestHeaders["content-type"];
  const { abridgedRequest, requestSource, requestChunks, route } = exchange;
  const parse =
    memory === undefined || !mayRemember(exchange)
      ? undefined
      : (text: string): ParsedBody => parseKnown(memory, route.api, text);
  if (abridgedRequest !== undefined) return decodeRequestBody(abridgedRequest, contentType, { parse });
  if (Array.isArray(requestSource)) return { value: readForm(requestSource), notes: [] };
  const body = exchange.requestBody ?? (requestChunks === undefined ? undefined : joinRequest(requestChunks));
  const { requestTruncated: truncated, requestTail: tail } = exchange;
  return decodeRequestBody(body, contentType, truncated ? { truncated, ...(tail && { tail }) } : { parse });
}

/** Whether it is a call at all, the whole body tells; and nothing is kept of what must not be recorded. */
export function mayRemember({ sniffed, settings }: Exchange): boolean {
  return !sniffed && !settings.privacyMode && !settings.excludeInput;
}

function parseKnown(memory: RequestMemory, api: Api, text: string): ParsedBody {
  const known = memory.read(api, text);
  if (known !== undefined) return known;
  const body = parseJsonText(text);
  memory.note(api, text);
  return body;
}

function joinRequest(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : concat(chunks);
}

/** The text fields, and of files what describes them. */
function readForm(entries: readonly (readonly [string, string | Blob])[]): Record<string, unknown> {
  const fields: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of entries) {
    fields[name] =
      typeof value === "string"
        ? value
        : { filename: (value as File).name, mimeType: value.type === "" ? undefined : value.type, bytes: value.size };
  }
  return { ...fields };
}

/** Instead of the Blob that the app has sent. Never rejects. */
export async function readBlob(exchange: Exchange, limit: number): Promise<void> {
  const blob = exchange.requestSource as Blob;
  exchange.requestSource = undefined;
  try {
    exchange.requestBody = new Uint8Array(await blob.slice(0, limit).arrayBuffer());
    exchange.requestTruncated = blob.size > limit;
  } catch {
    exchange.notes.push("request_body_not_captured");
  }
}
