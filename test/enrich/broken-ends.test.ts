/** Half of what would be masked, where the other half is gone: with the wire, with a bound of ours, in the middle. */
import { describe, expect, it } from "vitest";
import { recoverLargeJson } from "../../src/decode/repair-json.ts";
import { applyPrivacy, type PrivacyPolicy } from "../../src/enrich/privacy.ts";
import { dropBrokenEnd, dropBrokenStart } from "../../src/enrich/text.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";
import { type CallError, GAP_MARK, type LlmCall, type Message } from "../../src/types.ts";

const policy: PrivacyPolicy = {
  privacyMode: false,
  excludeInput: false,
  excludeOutput: false,
  captureMedia: false,
  maxContentLength: 100_000,
  redactPii: true,
  digest: () => ({ bytes: 0, sha256: "" }),
};

/** Each is masked as a whole; the mark is in every part of it that tells something. */
const NUMBERS = [
  "4111 1111 1111 1111",
  "4111-1111-1111-1111",
  "4111111111111111",
  "４１１１ １１１１ １１１１ １１１１",
  "4111\u202f1111\u202f1111\u202f1111",
  "DE89 3704 0044 0532 0130 00",
  "GB82 WEST 1234 5698 7654 32",
  "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
  "+1 (415) 555-2671",
  "078-05-1120",
  "bob.brown@example.com",
  "sk-proj-abcdefghijklmnopqrstuvwx",
];

describe.each(NUMBERS)("%s", (number) => {
  const before = "You can reach me here: ";

  it("leaves no part of it behind, wherever the end is gone", () => {
    for (let length = 1; length < number.length; length += 1) {
      const kept = dropBrokenEnd(before + number.slice(0, length));
      // A country, or the first letters of a name: nobody can tell that they begin something.
      expect(kept.slice(before.trimEnd().length).trim().length, kept).toBeLessThanOrEqual(4);
    }
  });

  it("nor wherever the beginning is gone", () => {
    for (let length = 1; length < number.length; length += 1) {
      const kept = dropBrokenStart(`${number.slice(length)} and so on`);
      expect(kept, number.slice(length)).toMatch(/^(?:[A-Z]{0,4} )?\W*and so on$/);
    }
  });
});

function textOf(call: LlmCall): string {
  return JSON.stringify(applyPrivacy(call, policy));
}

describe("a record", () => {
  const half = "My card is 4111 1111 1111";

  it.each<[string, Partial<LlmCall>]>([
    ["that was cancelled", { outcome: "cancelled" }],
    ["whose wire broke", { outcome: "truncated" }],
    ["that an error in the stream ended", { outcome: "error", error: { kind: "stream", message: "overloaded" } }],
  ])("%s has no half of a card in its answer", (_name, more) => {
    const call = sampleCall(more);
    const response = call.response as NonNullable<LlmCall["response"]>;
    response.choices = [
      {
        index: 0,
        message: {
          role: "assistant",
          parts: [
            { type: "text", content: half },
            { type: "tool_call", id: "call_1", name: "pay", arguments: `{"card":"4111 1111 1111` },
          ],
        },
      },
    ];
    expect(textOf(call)).not.toContain("1111");
  });

  it("has none around the gap of a body that was too large", () => {
    const body = JSON.stringify({
      messages: [{ content: `${half} 1111, or ${"x ".repeat(100)} 4111 1111 1111 1111 ok` }],
    });
    const joined = recoverLargeJson(body.slice(0, 44), body.slice(-30)) as { messages: { content: string }[] };
    const [message] = joined.messages;
    expect(message?.content).toContain(GAP_MARK);
    const messages: Message[] = [{ role: "user", parts: [{ type: "text", content: message?.content ?? "" }] }];
    const call = sampleCall();
    call.request.messages = messages;
    expect(textOf(call)).toContain(GAP_MARK);
    expect(textOf(call)).not.toContain("1111");
  });

  it("has none at the end of a message that a parser has cut", () => {
    const error: CallError = { kind: "http", status: 400, message: `${"a ".repeat(492)}4111 1111 1111` };
    expect(error.message.length).toBeGreaterThan(990);
    const call = sampleCall({ outcome: "error", error: { ...error, message: `xx${error.message}`.slice(0, 1_000) } });
    expect(textOf(call)).not.toContain("1111");
  });

  it("keeps nothing of a stream in whose middle something is missing", () => {
    const call = sampleCall({ streaming: true });
    call.capture.notes.push("response_content_dropped");
    const [choice] = call.response?.choices ?? [];
    if (choice !== undefined) choice.message.parts = [{ type: "text", content: "4111 1111 11 and then" }];
    expect(textOf(call)).not.toContain("1111");
    expect(applyPrivacy(call, policy).capture.content).toBe("redacted");
  });

  it("has none in a number that is too long to be one", () => {
    const call = sampleCall();
    const [choice] = call.response?.choices ?? [];
    const given: unknown = JSON.parse('{"card":4111111111111111110,"small":12345}');
    if (choice !== undefined) choice.message.parts = [{ type: "tool_call", name: "pay", arguments: given }];
    expect(textOf(call)).not.toContain("41111");
    expect(textOf(call)).toContain("12345");
  });
});
