import { describe, expect, it } from "vitest";
import { testSink } from "../../../src/testing/sink-contract.ts";
import { type Encoding, type Stack, startStack } from "./stack.ts";

let stack: Stack;

for (const encoding of ["json", "protobuf"] satisfies Encoding[]) {
  testSink(
    {
      name: `opentelemetry over ${encoding}`,
      async create() {
        stack = await startStack({ encoding });
        return stack.createSink();
      },
      received: () => stack.server.spans.map((span) => span.attributes["llm_tap.record.id"] as string),
      hang: () => void (stack.server.fault = "hang"),
      async destroy() {
        expect(stack.server.errors).toEqual([]);
        await stack.close();
      },
    },
    { describe, it, expect },
  );
}
