import { describe, expect, it } from "vitest";
import { createUsage, resolveUsage } from "../../../src/parsers/shared/usage.ts";
import type { UsageSituation } from "../../../src/parsers/shared/usage.ts";
import type { Usage } from "../../../src/types.ts";

const whole: UsageSituation = {
  usage: undefined,
  status: 200,
  error: undefined,
  end: { streaming: false, interrupted: false },
  finished: true,
  hasOutput: true,
};
const stream = { streaming: true, interrupted: false };
const cut = { streaming: true, interrupted: true };
const zeros: Usage = { source: "reported", complete: true, inputTokens: 0, outputTokens: 0, totalTokens: 0 };

describe("createUsage", () => {
  it("leaves out what is not reported, and says nothing when nothing is", () => {
    expect(createUsage({ inputTokens: 1, outputTokens: undefined }, undefined)).toEqual({
      source: "reported",
      complete: true,
      inputTokens: 1,
    });
    expect(createUsage({ inputTokens: undefined }, { a: 1 })).toBeUndefined();
  });

  it("sums only what is known, and corrects nothing", () => {
    expect(createUsage({ inputTokens: 1, outputTokens: 2 }, undefined)).toMatchObject({ totalTokens: 3 });
    expect(createUsage({ inputTokens: 1, outputTokens: 2, totalTokens: 3 }, undefined)).not.toHaveProperty(
      "inconsistent",
    );
    expect(createUsage({ inputTokens: 1, outputTokens: 2, totalTokens: 4 }, undefined)).toMatchObject({
      totalTokens: 4,
      inconsistent: true,
    });
    expect(createUsage({ outputTokens: 2 }, undefined)).not.toHaveProperty("totalTokens");
  });
});

describe("resolveUsage", () => {
  it.each<[string, Partial<UsageSituation>, string]>([
    ["an HTTP error", { status: 500, end: cut }, "error_response"],
    ["an error in a success", { error: { message: "x" } }, "error_response"],
    ["work that goes on", { deferred: true }, "deferred"],
    ["a stream that had to ask", { end: stream, optIn: { parameters: {} } }, "stream_usage_not_requested"],
    [
      "a stream that said no",
      { end: stream, optIn: { parameters: { stream_options: { include_usage: false } } } },
      "stream_usage_not_requested",
    ],
    [
      "a stream that asked and was cut",
      { end: cut, finished: false, optIn: { parameters: { stream_options: { include_usage: true } } } },
      "stream_interrupted",
    ],
    [
      "a stream that asked in OpenRouter's way, and got none",
      { end: stream, optIn: { parameters: { usage: { include: true } } } },
      "not_reported",
    ],
    ["a stream that ended without its end", { end: stream, finished: false }, "stream_interrupted"],
    ["a body without usage", { optIn: { parameters: {} } }, "not_reported"],
    ["zeros next to an answer", { usage: zeros }, "zero_with_output"],
  ])("%s", (_name, situation, reason) => {
    expect(resolveUsage({ ...whole, ...situation })).toMatchObject({
      source: "missing",
      missingReason: reason,
      complete: false,
    });
  });

  it("believes zeros of a provider that counts, and zeros without an answer", () => {
    expect(resolveUsage({ ...whole, usage: zeros, zeroMeansMissing: false })).toBe(zeros);
    expect(resolveUsage({ ...whole, usage: zeros, hasOutput: false })).toBe(zeros);
  });

  it("marks what came before an early end as a lower bound", () => {
    const usage = createUsage({ inputTokens: 1, outputTokens: 1 }, undefined);
    expect(resolveUsage({ ...whole, usage, end: cut, finished: false })).toMatchObject({
      source: "reported",
      complete: false,
    });
    expect(resolveUsage({ ...whole, usage, end: cut, finished: true })).toMatchObject({ complete: true });
    expect(resolveUsage({ ...whole, usage, end: stream, finished: false })).toMatchObject({ complete: false });
    expect(resolveUsage({ ...whole, usage, finished: false })).toMatchObject({ complete: true });
  });
});
