/**
 * Decides what is kept of a JSON text that comes in pieces, as its strings go by. Of a piece what stands before `from` was
 * kept or dropped; each method that may have kept or dropped more returns the new `from`.
 */
export interface StringVisitor {
  /** Of the open string nothing more is kept. */
  readonly isDropping: boolean;
  /** What was odd. */
  readonly notes: readonly string[];
  /** A piece comes. @returns where in it is the first that was not kept or dropped yet */
  startPiece(text: string): number;
  /** Between strings: from `start` to `end`. */
  passBetween(bytes: Uint8Array, text: string, from: number, start: number, end: number): number;
  /** A string begins. @param quote - where @param unkept - bytes up to its content that were not kept yet */
  open(text: string, quote: number, unkept: number): void;
  /** A whole piece of the open string of which nothing is kept: ASCII without escapes. */
  passPlain(bytes: Uint8Array): void;
  /** The open string goes on behind this piece. @param at - where in it the string begins, or goes on */
  goOn(bytes: Uint8Array, from: number, at: number): number;
  /** The open string ends. @param end - where its quote is */
  close(bytes: Uint8Array, text: string, from: number, at: number, end: number): number;
  /** No more comes. */
  end(): void;
}
