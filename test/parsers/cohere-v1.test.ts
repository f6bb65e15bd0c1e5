import { expect, it } from "vitest";
import { cohereV1Parser } from "../../src/parsers/cohere-v1.ts";
import { describeParserContract } from "./contract.ts";
import { readFixtures } from "./fixtures.ts";
import { parseFrames } from "./run.ts";

describeParserContract({ parser: cohereV1Parser, route: { provider: "cohere" } });

it("does not repeat what the last event of a stream repeats", () => {
  const fixture = readFixtures("cohere-v1").find(({ name }) => name === "chat-stream");
  const frames = fixture?.frames ?? [];
  const whole = parseFrames(cohereV1Parser, frames);
  expect(whole.choices[0]?.message.parts).toEqual([{ type: "text", content: "Lettuce romaine." }]);
  // Someone who joins late gets the text from the end.
  const late = parseFrames(cohereV1Parser, frames.slice(-1));
  expect(late.choices).toEqual(whole.choices);
});
