/**
 * `application/vnd.amazon.eventstream`: length-prefixed binary messages, each with headers and a JSON payload.
 *
 * ```
 * u32 total length · u32 headers length · u32 prelude CRC · headers · payload · u32 message CRC      (all big-endian)
 * header = u8 name length · name · u8 type · value; type 7 = u16 length · UTF-8 text
 * ```
 *
 * The checksums are not verified: an observer has nothing better to do with a message whose checksum is wrong.
 *
 * @see https://smithy.io/2.0/aws/amazon-eventstream.html
 */
import { MAX_EVENT_LENGTH, type Splitter, type SplitterSink } from "./splitter.ts";

/** Both CRCs and both lengths. */
const OVERHEAD = 16;
const PRELUDE = 12;
/** Bytes of a header value by its type: true, false, byte, short, integer, long, bytes, string, timestamp, UUID. */
const VALUE_LENGTHS = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16] as const;
const STRING_TYPE = 7;

/** Shared: it keeps no state. */
const decoder = new TextDecoder();

interface Headers {
  messageType?: string;
  eventType?: string;
  exceptionType?: string;
  errorCode?: string;
  errorMessage?: string;
}

/**
 * Splits messages. An event's name is its `:event-type`; an exception's its `:exception-type`.
 * Lengths that can't be are noted as `event_stream_corrupt`, and the rest of the stream is dropped: without a length
 * there is no next message to find.
 * @param maxLength Bytes of one message; a longer one is skipped with the note `event_stream_message_too_long`.
 */
export function createAwsEventStreamSplitter(
  sink: SplitterSink,
  maxLength: number = MAX_EVENT_LENGTH,
): Splitter<Uint8Array> {
  /** Bytes of the message that is still open. Grows by doubling, so that tiny pushes stay linear. */
  let buffer = new Uint8Array(0);
  let filled = 0;
  /** Bytes still to be dropped of a message that is too long. */
  let skip = 0;
  let corrupt = false;

  /** Handles all whole messages in `bytes` and returns where the rest begins. */
  function drain(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (!corrupt && bytes.byteLength - at >= PRELUDE) {
      const total = view.getUint32(at);
      const headersLength = view.getUint32(at + 4);
      if (total < OVERHEAD || headersLength > total - OVERHEAD) {
        corrupt = true;
        sink.onNote("event_stream_corrupt");
        break;
      }
      if (total > maxLength) {
        sink.onNote("event_stream_message_too_long");
        skip = Math.max(0, total - (bytes.byteLength - at));
        at = Math.min(bytes.byteLength, at + total);
        continue;
      }
      if (bytes.byteLength - at < total) break;
      emit(
        bytes.subarray(at + PRELUDE, at + PRELUDE + headersLength),
        bytes.subarray(at + PRELUDE + headersLength, at + total - 4),
      );
      at += total;
    }
    return at;
  }

  function emit(headerBytes: Uint8Array, payload: Uint8Array): void {
    const headers = readHeaders(headerBytes);
    const text = decoder.decode(payload);
    if (headers.messageType === "error") {
      sink.onEvent(JSON.stringify({ message: headers.errorMessage ?? text }), headers.errorCode ?? "error");
      return;
    }
    const name = headers.exceptionType ?? headers.eventType;
    sink.onEvent((name === "chunk" ? unwrapChunk(text) : undefined) ?? text, name);
  }

  function append(bytes: Uint8Array): void {
    if (filled + bytes.byteLength > buffer.byteLength) {
      const grown = new Uint8Array(Math.max(filled + bytes.byteLength, buffer.byteLength * 2, 1024));
      grown.set(buffer.subarray(0, filled));
      buffer = grown;
    }
    buffer.set(bytes, filled);
    filled += bytes.byteLength;
  }

  return {
    push(bytes) {
      if (corrupt) return;
      if (skip > 0) {
        const dropped = Math.min(skip, bytes.byteLength);
        skip -= dropped;
        bytes = bytes.subarray(dropped);
      }
      if (bytes.byteLength === 0) return;
      if (filled === 0) {
        const rest = drain(bytes);
        if (!corrupt && rest < bytes.byteLength) append(bytes.subarray(rest));
        return;
      }
      append(bytes);
      // Nothing to do before the open message is whole.
      if (filled < PRELUDE || (filled < new DataView(buffer.buffer).getUint32(0) && !isOversized())) return;
      const rest = drain(buffer.subarray(0, filled));
      buffer.copyWithin(0, rest, filled);
      filled -= rest;
      if (filled === 0) buffer = new Uint8Array(0);
    },
    end() {
      if (filled > 0 && !corrupt) sink.onNote("event_stream_truncated");
      filled = 0;
    },
  };

  function isOversized(): boolean {
    return new DataView(buffer.buffer).getUint32(0) > maxLength;
  }
}

function readHeaders(bytes: Uint8Array): Headers {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headers: Headers = {};
  let at = 0;
  while (at < bytes.byteLength) {
    const nameEnd = at + 1 + view.getUint8(at);
    if (nameEnd >= bytes.byteLength) break;
    const name = decoder.decode(bytes.subarray(at + 1, nameEnd));
    const type = view.getUint8(nameEnd);
    let start = nameEnd + 1;
    let length: number = VALUE_LENGTHS[type] ?? bytes.byteLength;
    if (length === -1) {
      if (start + 2 > bytes.byteLength) break;
      length = view.getUint16(start);
      start += 2;
    }
    if (start + length > bytes.byteLength) break;
    if (type === STRING_TYPE) assign(headers, name, decoder.decode(bytes.subarray(start, start + length)));
    at = start + length;
  }
  return headers;
}

function assign(headers: Headers, name: string, value: string): void {
  if (name === ":event-type") headers.eventType = value;
  else if (name === ":exception-type") headers.exceptionType = value;
  else if (name === ":message-type") headers.messageType = value;
  else if (name === ":error-code") headers.errorCode = value;
  else if (name === ":error-message") headers.errorMessage = value;
}

/** InvokeModel wraps the model's own event: `{"bytes": "<base64 of the JSON>"}`. */
function unwrapChunk(text: string): string | undefined {
  const base64 = /"bytes"\s*:\s*"([A-Za-z0-9+/=]*)"/.exec(text)?.[1];
  if (base64 === undefined) return undefined;
  try {
    const binary = atob(base64);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
