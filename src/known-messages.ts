/** Messages with which a request begins as earlier ones did: what was found out of them need not be found out again. */
import type { Message } from "./types.ts";

/** Of one request: the messages of the items in its list that were read before. */
export interface KnownMessages {
  /** Copies, which may be changed. */
  take(): Message[];
  /** Which of the messages of the request they have become. `undefined`: none of them is as it was. */
  locate(messages: readonly Message[] | undefined): KnownBeginning | undefined;
}

/** Messages that are the same, word for word, as in earlier requests. */
export interface KnownBeginning {
  /** Stands for them. */
  readonly token: object;
  /** Stands for those that were known before; they are the first of these. Absent where none were. */
  readonly shorter?: object | undefined;
  /** So many of `messages`. */
  readonly count: number;
  /** Stands for all that is around the list of messages, where that is known too: tools, parameters. */
  readonly frame?: object | undefined;
}
