import { expect, it } from "vitest";
import { rerankParser } from "../../src/parsers/rerank.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames } from "./run.ts";

describeParserContract({ parser: rerankParser, route: { operation: "rerank" } });

it("has no token usage where none is reported, unless it failed", () => {
  const route = { operation: "rerank" } as const;
  const listed = parseFrames(rerankParser, [{ kind: "body", value: [{ index: 0, score: 1 }] }], { route });
  expect(listed.usage).toEqual({ source: "not_applicable", complete: true });
  const failed = parseFrames(rerankParser, [{ kind: "body", value: { error: "overloaded" } }], { route, status: 503 });
  expect(failed).toMatchObject({
    usage: { source: "missing", missingReason: "error_response" },
    error: { message: "overloaded" },
  });
});
