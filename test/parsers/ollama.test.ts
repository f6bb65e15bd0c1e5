import { describe, expect, it } from "vitest";
import { ollamaParser } from "../../src/parsers/ollama.ts";
import type { Operation } from "../../src/types.ts";
import { describeParserContract } from "./contract.ts";
import { routeFor } from "./run.ts";

describeParserContract({ parser: ollamaParser, route: { provider: "ollama" } });

describe("stream", () => {
  it.each<[string, Operation, unknown, boolean | undefined]>([
    ["is on when the request does not say", "chat", { model: "m", messages: [] }, true],
    ["is off when the request says so", "chat", { model: "m", stream: false }, false],
    ["is on for generate too", "text_completion", { model: "m", prompt: "a" }, true],
    ["is unknown without a body", "chat", undefined, undefined],
    ["does not exist for embed", "embeddings", { model: "m", input: "a" }, undefined],
  ])("%s", (_name, operation, body, stream) => {
    const route = routeFor(ollamaParser, { operation });
    expect(ollamaParser.readRequest({ route, path: "/api/chat", headers: {}, body }).stream).toBe(stream);
  });
});
