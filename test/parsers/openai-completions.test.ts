import { expect, it } from "vitest";
import { openaiCompletionsParser } from "../../src/parsers/openai-completions.ts";
import { describeParserContract } from "./contract.ts";
import { routeFor } from "./run.ts";

describeParserContract({ parser: openaiCompletionsParser });

it.each([true, false])("takes the end of the wire for the end where chunks have no other (interrupted: %s)", (cut) => {
  const state = openaiCompletionsParser.start({
    route: routeFor(openaiCompletionsParser, { provider: "writer" }),
    status: 200,
    headers: {},
    request: { parameters: {} },
    contentLimit: 100,
  });
  openaiCompletionsParser.chunk(state, { kind: "event", value: { value: "Hel" } });
  expect(openaiCompletionsParser.finish(state, { streaming: true, interrupted: cut }).finished).toBe(!cut);
});
