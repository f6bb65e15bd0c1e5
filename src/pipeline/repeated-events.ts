/** Events of a stream that differ from an earlier one in nothing but a text: they are neither parsed nor folded one by one. */
import { copyText } from "../decode/copy-text.ts";
import { createEventPattern, type EventPattern } from "../decode/event-pattern.ts";
import type { TextEvent } from "../parsers/parser.ts";

/** So often in a row may be learnt what no other event has: then there is nothing to learn in this stream. */
const MAX_USELESS = 4;

export class RepeatedEvents {
  #pattern: EventPattern | undefined;
  #event: TextEvent | undefined;
  #name: string | undefined;
  #isUsed = false;
  #useless = 0;
  /** What was read and not folded yet; `undefined`: no event was. */
  #text: string | undefined;

  /** Nothing is gained by learning more. */
  get isUseless(): boolean {
    return this.#useless > MAX_USELESS;
  }

  /** Learns from an event that was folded. */
  learn(json: string, name: string | undefined, event: TextEvent): void {
    this.#useless = this.#isUsed ? 1 : this.#useless + 1;
    this.#isUsed = false;
    this.#event = event;
    this.#name = name;
    this.#pattern = this.isUseless ? undefined : createEventPattern(json, event);
  }

  /** @returns whether that was all that there is to do with the event */
  take(json: string, name: string | undefined): boolean {
    if (this.#pattern === undefined || name !== this.#name) return false;
    const text = this.#pattern.read(json);
    if (text === undefined) return false;
    this.#isUsed = true;
    this.#text = this.#text === undefined ? text : this.#text + text;
    return true;
  }

  /** Folds what was taken: before anything else is, and before anyone asks what was folded. */
  flush(): void {
    const text = this.#text;
    if (text === undefined || this.#pattern === undefined) return;
    this.#text = undefined;
    this.#event?.add(copyText(text), this.#pattern.counts);
  }
}
