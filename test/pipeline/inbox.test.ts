import { describe, expect, it } from "vitest";
import { noteResponseChunk } from "../../src/interceptor/exchange.ts";
import { createInbox } from "../../src/pipeline/inbox.ts";
import { startExchange } from "./exchanges.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("an inbox", () => {
  it("holds no memory once all was read", () => {
    const exchange = startExchange();
    const inbox = createInbox(exchange.startTime);
    noteResponseChunk(exchange, encode("one "));
    noteResponseChunk(exchange, encode("two"));
    inbox.take(exchange);
    const piece = inbox.next(false);
    if (piece === undefined || piece === "gap") throw new Error("nothing came");
    expect(new TextDecoder().decode(piece.bytes)).toBe("one two");
    expect(inbox.next(false)).toBeUndefined();
    expect(piece.bytes.buffer.byteLength).toBe(0);
  });
});
