/** Every string of a record, canaried: what reaches the other side of the gate is listed here, and nothing else may. */
import { describe, expect, it } from "vitest";
import { applyPrivacy, applySpanPrivacy, toMetadata } from "../../src/enrich/privacy.ts";
import type { PrivacyPolicy } from "../../src/enrich/privacy.ts";
import type { LlmCall, Span } from "../../src/types.ts";
import { completeCall, completeSpan, fillStrings, stringLeaves } from "./complete-records.ts";

const CANARY = "canary";
const EMAIL = "bob.canary@example.com";

const policy: PrivacyPolicy = {
  privacyMode: false,
  excludeInput: false,
  excludeOutput: false,
  captureMedia: false,
  maxContentLength: 100_000,
  redactPii: false,
  digest: () => ({ bytes: 5, sha256: "cd".repeat(32) }),
};

/** Enumerations of our own: no text can be in them. */
const enumerations =
  /^(?:type|id|api|operation|outcome|kind|source|(?:.*\.)?parts\.#\.(?:type|modality)|request\.system\.#\.(?:type|modality)|response\.choices\.#\.finishReason|usage\.(?:source|missingReason)|cost\.source|error\.kind|trace\.linkedBy|capture\.(?:via|content))$/;

/** What the app set on purpose, and ids of our own. */
const onPurpose = /^(?:context\..*|trace\.(?:traceId|spanId|parentSpanId))$/;

/** Where a request went; scrubbed of credentials and, with content off, of what is no identifier. */
const address = /^request\.(?:url|host|method)$/;

type Fill = (path: string) => string;

/** A sentence: can be no identifier, so it tells whether a field passes text. */
const sentence: Fill = (path) => `${CANARY} said at ${path} to ${EMAIL}`;

function canaried<T extends LlmCall | Span>(record: T, fill: Fill): T {
  const filled = fillStrings(record, (path) => (enumerations.test(path) ? undefined : fill(path)));
  // Roles decide whose words a message holds: they stay what they are.
  if (filled.type === "call") {
    const roles = ["user", "assistant", "tool"];
    for (const [index, message] of (filled.request.messages ?? []).entries()) message.role = roles[index] ?? "user";
    for (const choice of filled.response?.choices ?? []) choice.message.role = "assistant";
  }
  return filled;
}

function survivors(record: LlmCall | Span, needle: string): string[] {
  const paths = stringLeaves(record)
    .filter(({ path, text }) => text.includes(needle) && !onPurpose.test(path) && !address.test(path))
    .map(({ path }) => path);
  return [...new Set(paths)].sort();
}

function apply<T extends LlmCall | Span>(record: T, changes: Partial<PrivacyPolicy>): T {
  const all = { ...policy, ...changes };
  return (record.type === "call" ? applyPrivacy(record, all) : applySpanPrivacy(record, all)) as T;
}

const records = { call: () => canaried(completeCall(), sentence), span: () => canaried(completeSpan(), sentence) };

describe.each(["call", "span"] as const)("a %s", (kind) => {
  it("keeps every text with content on", () => {
    const before = survivors(records[kind](), CANARY);
    const dropped = before.filter((path) => !survivors(apply(records[kind](), {}), CANARY).includes(path));
    // A media type and a digest are no sentences; notes are words of our own.
    expect(dropped.filter((path) => !/\.(?:mimeType|sha256)$/.test(path))).toEqual(["capture.notes.#"]);
  });

  it("lets no sentence pass in privacy mode", () => {
    expect(survivors(apply(records[kind](), { privacyMode: true }), CANARY)).toEqual([]);
  });

  it("lets no sentence pass to a sink that takes metadata only", () => {
    const record = records[kind]();
    const before = structuredClone(record);
    expect(survivors(toMetadata(record), CANARY)).toEqual([]);
    expect(record).toEqual(before);
  });

  it("is the same when it is stripped twice", () => {
    const once = toMetadata(records[kind]());
    expect(toMetadata(once)).toEqual(once);
  });

  it("lets no sentence pass with both sides excluded", () => {
    expect(survivors(apply(records[kind](), { excludeInput: true, excludeOutput: true }), CANARY)).toEqual([]);
  });

  it("masks addresses everywhere with redactPii", () => {
    expect(survivors(apply(records[kind](), { redactPii: true }), EMAIL)).toEqual([]);
  });

  it("gives every sentence to redact", () => {
    expect(survivors(apply(records[kind](), { redact: () => "[r]" }), CANARY)).toEqual([]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["returns a promise", () => Promise.resolve("text") as unknown as string],
    ["returns nothing", () => undefined as unknown as string],
  ] as const)("drops every sentence when redact %s", (_name, redact) => {
    const errors: unknown[] = [];
    const record = apply(records[kind](), { redact, onRedactError: (error) => errors.push(error) });
    expect(survivors(record, CANARY)).toEqual([]);
    expect(record.capture.notes).toContain("redact_failed");
    expect(errors).toHaveLength(1);
  });

  it("cuts every text", () => {
    const record = apply(records[kind](), { maxContentLength: 8 });
    const long = stringLeaves(record).filter(
      ({ text }) => text.length > 8 + "… [cut, 999 characters]".length && text.includes("said at"),
    );
    expect(long.map(({ path }) => path).filter((path) => !onPurpose.test(path) && !address.test(path))).toEqual([]);
  });

  it("does not change what it is given", () => {
    const record = records[kind]();
    const before = structuredClone(record);
    apply(record, { redactPii: true, redact: (text) => text.toUpperCase(), maxContentLength: 5 });
    expect(record).toEqual(before);
  });
});

describe("with one side excluded", () => {
  it("keeps what the model said, and only that, with excludeInput", () => {
    const paths = survivors(apply(records.call(), { excludeInput: true }), CANARY);
    expect(paths.filter((path) => !path.startsWith("response."))).toEqual([]);
    expect(paths).toContain("response.choices.#.message.parts.#.content");
  });

  it("keeps what the app said, and only that, with excludeOutput", () => {
    const record = apply(records.call(), { excludeOutput: true });
    expect(survivors(record, CANARY).filter((path) => !path.startsWith("request."))).toEqual([]);
    expect(record.request.messages?.map(({ role }) => role)).toEqual(["user", "tool"]);
    const types = new Set(record.request.messages?.flatMap(({ parts }) => parts.map(({ type }) => type)));
    for (const type of ["tool_call", "server_tool_call", "reasoning", "refusal"]) expect(types).not.toContain(type);
  });

  it("splits a span of the app by its input and output", () => {
    const span: Span = { ...completeSpan(), source: "observe", kind: "agent" };
    expect(apply(span, { excludeInput: true })).toMatchObject({ output: ["rain"] });
    expect(apply(span, { excludeInput: true })).not.toHaveProperty("input");
    expect(apply(span, { excludeOutput: true })).toMatchObject({ input: { city: "Oslo" } });
    expect(apply(span, { excludeOutput: true })).not.toHaveProperty("output");
  });

  it("keeps neither of a tool of the app, unless both may be kept", () => {
    const span: Span = { ...completeSpan(), source: "observe" };
    for (const changes of [{ excludeInput: true }, { excludeOutput: true }]) {
      expect(apply(span, changes)).not.toHaveProperty("input");
      expect(apply(span, changes)).not.toHaveProperty("output");
    }
  });

  it("splits the run of a tool by who said it: the arguments are the model's, the result is the app's", () => {
    expect(apply(completeSpan(), { excludeInput: true })).toMatchObject({ input: { city: "Oslo" } });
    expect(apply(completeSpan(), { excludeInput: true })).not.toHaveProperty("output");
    expect(apply(completeSpan(), { excludeOutput: true })).toMatchObject({ output: ["rain"] });
    expect(apply(completeSpan(), { excludeOutput: true })).not.toHaveProperty("input");
  });

  it("moves the index of the first new message with the messages that are left", () => {
    const at = (from: number, changes: Partial<PrivacyPolicy>): number | undefined => {
      const record = completeCall();
      record.trace.newMessagesFrom = from;
      return apply(record, changes).trace.newMessagesFrom;
    };
    // user, assistant, tool
    expect([0, 1, 2, 3].map((from) => at(from, {}))).toEqual([0, 1, 2, 3]);
    expect([0, 1, 2, 3].map((from) => at(from, { excludeOutput: true }))).toEqual([0, 1, 1, 2]);
    expect(at(2, { excludeInput: true })).toBeUndefined();
    expect(at(2, { privacyMode: true })).toBeUndefined();
  });
});

describe("a credential", () => {
  const key = "sk-proj-abcdefghijklmnopqrstuvwx";
  it("is scrubbed from error texts, parameters, tools and addresses whatever the policy", () => {
    const record = canaried(completeCall(), () => `the key is ${key}`);
    record.request.url = `https://user:pw@api.example.com/v1?key=abcdefgh&token=${key}`;
    const kept = apply(record, {});
    const leaking = stringLeaves(kept).filter(({ text }) => text.includes(key) || text.includes("user:pw"));
    const content = /^(?:request\.(?:messages|system)|response\.choices|context)\./;
    expect(leaking.map(({ path }) => path).filter((path) => !content.test(path) && !onPurpose.test(path))).toEqual([]);
    expect(kept.error?.message).toBe("the key is [api_key]");
  });
});

describe("with content off stay the facts", () => {
  const record = applyPrivacy(completeCall(), { ...policy, privacyMode: true });

  it("of the request", () => {
    expect(record.request).toEqual({
      method: "POST",
      url: "https://api.example.com/v1/chat/completions",
      host: "api.example.com",
      model: "gpt-5",
      parameters: { temperature: 0.5, stream: true, response_format: { type: "json_schema" } },
      attempt: 2,
      logicalCallId: "logical-1",
      retryOf: "call-0",
      bytes: 10,
    });
  });

  it("of the answer: that tools were called and media came", () => {
    expect(record.response?.choices).toEqual([
      {
        index: 0,
        message: {
          role: "assistant",
          parts: [
            { type: "tool_call", id: "call_1", name: "weather" },
            { type: "server_tool_call", id: "srv_1", name: "web_search" },
            { type: "server_tool_call_response", id: "srv_1", name: "web_search" },
            { type: "blob", modality: "image", mimeType: "image/png", bytes: 3 },
            { type: "file", modality: "document", fileId: "file-1", mimeType: "application/pdf" },
            { type: "uri", modality: "image", uri: "(content off)", mimeType: "image/png" },
          ],
        },
        finishReason: "stop",
        rawFinishReason: "end_turn",
      },
    ]);
  });

  it("of usage, cost, timing, limits and trace", () => {
    const before = completeCall();
    expect(record.usage).toEqual({
      ...before.usage,
      raw: { prompt_tokens: 10, iterations: [{ type: "message", input_tokens: 3 }] },
    });
    expect(record.cost).toEqual(before.cost);
    expect(record.timing).toEqual(before.timing);
    expect(record.response?.rateLimit).toEqual(before.response?.rateLimit);
    const { newMessagesFrom: _index, ...trace } = before.trace;
    expect(record.trace).toEqual(trace);
    expect(record.context).toEqual(before.context);
  });

  it("of an error", () => {
    expect(record.error).toEqual({
      kind: "http",
      type: "invalid_request_error",
      code: "bad_value",
      status: 400,
      message: "HTTP 400 Bad Request (content off)",
      retryAfterMs: 5,
    });
  });

  it("and it says so", () => {
    expect(record.capture.content).toBe("metadata");
  });
});
