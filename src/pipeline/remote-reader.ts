/** Reads exchanges somewhere else than on the app's thread. */
import type { Exchange } from "../types.ts";
import type { AssembledExchange } from "./assemble.ts";

export interface RemoteReader {
  /** Takes the exchange over, once it has ended. Never rejects. */
  read(exchange: Exchange): Promise<RemoteAnswer>;
  /** Gives back what is left of an exchange that was taken over and not answered. */
  giveBack(exchange: Exchange): void;
  /** No more exchanges can be read. */
  readonly isClosed: boolean;
}

/** `failed`: what is left of the exchange is to be read here. */
export type RemoteAnswer =
  | { type: "assembled"; assembled: AssembledExchange }
  | { type: "no_call" }
  | { type: "failed"; note: string };
