/** What of an exchange is shortened before it is read, and when: its request, its response, what comes out of a packed one. */
import { LEAST_ABRIDGED } from "../abridged-text.ts";
import { type AbridgeOptions, JsonAbridger } from "../decode/abridge-json.ts";
import type { Exchange } from "../types.ts";
import {
  abridgePiece,
  type BodyAbridger,
  createBodyAbridger,
  createRequestAbridger,
  hasLines,
  isAbridgeable,
  putBody,
  type RequestAbridger,
  startsLikeJson,
} from "./abridge-body.ts";
import { looksWhole } from "./held-body.ts";

/** How long strings of a big body are shortened. `undefined`: all of it is needed. */
export type FindAbridgeOptions = (exchange: Exchange) => AbridgeOptions | undefined;

export class ExchangeAbridger {
  private readonly exchange: Exchange;
  private readonly findOptions: FindAbridgeOptions | undefined;
  /** `undefined`: nobody has looked at the request yet. */
  private request: RequestAbridger | "done" | undefined = undefined;
  private response: BodyAbridger | undefined = undefined;
  /** Takes what is unpacked, where that is shortened; `undefined` until its first bytes are there. */
  private unpacked: JsonAbridger | "as it is" | undefined = undefined;
  /** Of the response nothing else is shortened: it was, or there is no room for more than its ends. */
  private isClosed = false;

  constructor(exchange: Exchange, findOptions: FindAbridgeOptions | undefined) {
    this.exchange = exchange;
    this.findOptions = findOptions;
  }

  /** What comes of the response goes through here. */
  get isOpen(): boolean {
    return this.response !== undefined;
  }

  /** Bytes that are held beside those of the exchange. */
  get heldBytes(): number {
    const { response, unpacked } = this;
    return (response?.heldBytes ?? 0) + (typeof unpacked === "object" ? unpacked.heldBytes : 0);
  }

  /** Nothing has to see all of it. */
  isAllowed(): boolean {
    return this.findOptions?.(this.exchange) !== undefined;
  }

  /** Before anything is read: a request that is small then needs nobody else. @returns whether there is more to do now */
  workOnRequest(isTimeUp: () => boolean): boolean {
    const { exchange } = this;
    if (this.request === undefined) {
      const options = this.optionsFor(exchange.requestKept);
      this.request = (options && createRequestAbridger(exchange, options)) ?? "done";
    }
    if (this.request === "done") return false;
    if (this.request.work(isTimeUp)) return true;
    this.request = "done";
    return false;
  }

  /** @returns whether there is more to do now */
  workOnResponse(isTimeUp: () => boolean): boolean {
    const { exchange } = this;
    if (this.response === undefined) {
      if (this.isClosed) return false;
      const options = this.optionsFor(exchange.pendingBytes);
      if (options === undefined || !isAbridgeable(exchange)) return false;
      this.response = createBodyAbridger(options);
    }
    if (this.response.work(exchange, isTimeUp)) return true;
    if (!exchange.isEnded) return false;
    this.response.end(exchange);
    this.response = undefined;
    this.isClosed = true;
    return false;
  }

  /** Ends what was begun with the response; the request is read as it is. */
  finishNow(): void {
    this.request = "done";
    // What it was interrupted with, and then what has come since.
    while (this.response !== undefined && this.workOnResponse(() => false));
  }

  /** Takes what was unpacked. @returns whether it did: it does not where that is to be read as it is */
  takeUnpacked(bytes: Uint8Array): boolean {
    this.unpacked ??= this.openUnpacked(bytes);
    if (this.unpacked === "as it is") return false;
    abridgePiece(this.unpacked, bytes);
    return true;
  }

  /** Puts what was taken where the packed body was: it is read as if it had come so. @returns whether there was any */
  putUnpacked(): boolean {
    const { exchange, unpacked } = this;
    if (unpacked === undefined || unpacked === "as it is") return false;
    putBody(exchange, unpacked.end());
    exchange.decoded = true;
    this.unpacked = undefined;
    this.isClosed = true;
    return true;
  }

  forgetUnpacked(): void {
    this.unpacked = undefined;
  }

  /** Keeps no more than the ends, and begins with nothing else. */
  shrink(headBytes: number): void {
    this.isClosed = true;
    this.response?.shrink(headBytes);
    if (typeof this.unpacked === "object") this.unpacked.shrink(headBytes);
  }

  /** `undefined`: nothing is left out of so many bytes. */
  private optionsFor(bytes: number): AbridgeOptions | undefined {
    if (bytes < LEAST_ABRIDGED) return undefined;
    const options = this.findOptions?.(this.exchange);
    return options !== undefined && (options.isVectors || bytes > options.keepLength) ? options : undefined;
  }

  private openUnpacked(bytes: Uint8Array): JsonAbridger | "as it is" {
    const { exchange, isClosed } = this;
    const isJson = !isClosed && looksWhole(exchange) && startsLikeJson(bytes) && !hasLines([bytes]);
    const options = isJson ? this.findOptions?.(exchange) : undefined;
    return options === undefined ? "as it is" : new JsonAbridger(options);
  }
}
