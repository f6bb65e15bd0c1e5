/**
 * What stands around the messages of requests, tools above all: many conversations have the same. Where the text between
 * head and tail of a frame is a list of items and nothing else, the whole is JSON with that frame.
 */
import { copyText } from "../decode/copy-text.ts";
import { copyParsed } from "../parsers/shared/copy-messages.ts";
import type { Api } from "../types.ts";

export interface RequestFrame {
  readonly api: Api;
  /** Up to the opening bracket of the list, and from the closing one on. */
  readonly head: string;
  readonly tail: string;
  /** All members but the list. Nobody else holds it. */
  readonly value: Readonly<Record<string, unknown>>;
}

const MAX_FRAMES = 16;
/** Characters of one. */
const MAX_LENGTH = 64 * 1024;

export class RequestFrames {
  /** The newest comes first. */
  readonly #frames: RequestFrame[] = [];

  /**
   * @param head - of the text
   * @param end - of what in the text can't be behind the list
   */
  find(api: Api, head: string, text: string, end: number): RequestFrame | undefined {
    for (const frame of this.#frames) {
      const tailStart = text.length - frame.tail.length;
      if (frame.api !== api || frame.head !== head || tailStart < end) continue;
      if (frame.tail === text.slice(tailStart)) return frame;
    }
    return undefined;
  }

  /** @param whole - with the list; it may be changed later */
  add({ api, head, tail }: Omit<RequestFrame, "value">, whole: Readonly<Record<string, unknown>>, field: string): void {
    if (head.length + tail.length > MAX_LENGTH) return;
    const { [field]: _list, ...others } = whole;
    const value = copyParsed(others) as Record<string, unknown>;
    this.#frames.unshift({ api, head: copyText(head), tail: copyText(tail), value });
    if (this.#frames.length > MAX_FRAMES) this.#frames.pop();
  }

  clear(): void {
    this.#frames.length = 0;
  }
}
