/** What every framing is: text or bytes in, one call per value out. Splitters never throw and hold one value at most. */

/** Where a splitter puts what it finds. */
export interface SplitterSink {
  /** One value of the stream: the text between its frames, not yet parsed, and the name that the framing gave it. */
  onEvent(text: string, name?: string): void;
  /** Something odd, as a short stable word. May be called more than once with the same word. */
  onNote(note: string): void;
}

export interface Splitter<Input = string> {
  push(input: Input): void;
  /** The wire has ended: what is complete without its terminator is emitted. */
  end(): void;
}

/** Characters (or bytes) that one value of a stream may have before it is dropped. */
export const MAX_EVENT_LENGTH: number = 8 * 1024 * 1024;
