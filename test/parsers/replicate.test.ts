import { expect, it } from "vitest";
import { replicateParser } from "../../src/parsers/replicate.ts";
import { describeParserContract } from "./contract.ts";
import { parseFrames } from "./run.ts";

describeParserContract({ parser: replicateParser, route: { provider: "replicate", operation: "text_completion" } });

it.each([
  ["starting", "deferred", undefined],
  ["processing", "deferred", undefined],
  ["succeeded", "not_reported", "stop"],
  ["failed", "not_reported", "error"],
  ["canceled", "not_reported", "other"],
])("a prediction that is %s misses its usage as %s", (status, missingReason, finishReason) => {
  const parsed = parseFrames(replicateParser, [{ kind: "body", value: { id: "p", status, error: null } }], {
    route: { operation: "text_completion" },
  });
  expect(parsed.usage).toMatchObject({ source: "missing", missingReason });
  expect(parsed.choices[0]?.finishReason).toBe(finishReason);
  expect(parsed.jobId).toBe("p");
});
