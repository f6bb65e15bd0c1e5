/** What is found out of messages that were there before is what would have been found out anew. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ConversationPrint, printConversation, settlePrint } from "../../src/enrich/fingerprint.ts";
import { applyPrivacy, type PrivacyPolicy } from "../../src/enrich/privacy.ts";
import type { KnownBeginning } from "../../src/known-messages.ts";
import { sampleCall } from "../../src/testing/sample-records.ts";
import type { Choice, LlmCall, Message, Part } from "../../src/types.ts";
import { hash } from "./link-helpers.ts";

const texts = fc.constantFrom("a", "b", "mail jane.doe@example.com", "", "x".repeat(80));
const ids = fc.constantFrom("call_1", "call_aB3dE5fG7hJ9kL1mN", "call_zZ3dE5fG7hJ9kL1mQ");
const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("text" as const), content: texts }) },
  fc.record({ type: fc.constant("tool_call" as const), id: ids, name: fc.constant("f"), arguments: texts }),
  fc.record({ type: fc.constant("tool_call_response" as const), id: ids, response: texts }),
);
const message: fc.Arbitrary<Message> = fc.record({
  role: fc.constantFrom("user", "assistant", "tool"),
  parts: fc.array(part, { maxLength: 2 }),
});
const system = fc.constantFrom<Part[]>([], [{ type: "text", content: "Be kind." }]);
const choices: fc.Arbitrary<Choice[]> = fc.array(
  fc.record({ index: fc.constant(0), message: fc.record({ role: fc.constant("assistant"), parts: fc.array(part) }) }),
  { maxLength: 2 },
);

/** Requests that begin alike: with more and more of the same messages. */
const requests = fc.record({
  common: fc.array(message, { minLength: 1, maxLength: 200, size: "max" }),
  calls: fc.array(
    fc.record({ share: fc.double({ min: 0.05, max: 1, noNaN: true }), more: fc.array(message), system, choices }),
    { minLength: 2, maxLength: 8 },
  ),
});

interface Request {
  messages: Message[];
  known: KnownBeginning;
}

/** Tokens as the memory gives them: one for each length, and in each the one before. */
function* beginAlike(
  common: readonly Message[],
  calls: readonly { share: number; more: Message[] }[],
): Generator<Request> {
  let token: object | undefined;
  let shorter: object | undefined;
  let count = 0;
  for (const { share, more } of calls) {
    const longer = Math.max(1, Math.ceil(share * common.length));
    if (token === undefined || longer > count) [shorter, token, count] = [token, {}, longer];
    yield { messages: [...common.slice(0, count), ...more], known: { token, shorter, count, frame: token } };
  }
}

/** With all that may be asked for. */
function settle({ answers, ...others }: ConversationPrint): unknown {
  return { ...settlePrint({ answers, ...others }), answers: answers.map((answer) => ({ ...answer })) };
}

describe("messages that were there before", () => {
  it("are printed as if they had not been", () => {
    fc.assert(
      fc.property(requests, fc.boolean(), ({ common, calls }, goesOn) => {
        const begun = [...beginAlike(common, calls)];
        for (const [index, { messages, known }] of begun.entries()) {
          const conversation = { system: calls[index]?.system, messages, choices: calls[index]?.choices, goesOn };
          const expected = settle(printConversation(conversation, hash));
          expect(settle(printConversation({ ...conversation, known }, hash))).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  const policies = fc.record({
    privacyMode: fc.boolean(),
    excludeInput: fc.boolean(),
    excludeOutput: fc.boolean(),
    captureMedia: fc.boolean(),
    redactPii: fc.boolean(),
    maxContentLength: fc.constantFrom(10, 1_000),
    truncated: fc.boolean(),
    redacts: fc.boolean(),
  });

  it("pass the gate as if they had not been, whatever the rules were", () => {
    fc.assert(
      fc.property(requests, fc.array(policies, { minLength: 8, maxLength: 8 }), ({ common, calls }, rules) => {
        for (const [index, { messages, known }] of [...beginAlike(common, calls)].entries()) {
          const { truncated, redacts, ...flags } = rules[index] as (typeof rules)[number];
          const policy: PrivacyPolicy = { ...flags, digest: () => ({ bytes: 1, sha256: "0".repeat(64) }) };
          if (redacts) policy.redact = (text) => (index % 3 === 0 ? text : `${index}${text}`);
          const call = sampleCall();
          Object.assign(call.request, { messages, parameters: { stop: ["jane.doe@example.com"] } });
          call.capture.requestTruncated = truncated;
          const make = (): LlmCall => structuredClone(call);
          expect(applyPrivacy(make(), policy, known)).toEqual(applyPrivacy(make(), policy));
        }
      }),
      { numRuns: 300 },
    );
  });
});
