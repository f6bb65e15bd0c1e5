import { expect, it } from "vitest";
import { watsonxParser } from "../../src/parsers/watsonx.ts";
import { describeParserContract } from "./contract.ts";
import { routeFor } from "./run.ts";

describeParserContract({ parser: watsonxParser, route: { provider: "ibm.watsonx.ai" } });

it.each([
  ["/ml/v1/text/chat?version=2025-01-01", undefined, undefined],
  ["/ml/v1/text/chat_stream?version=2025-01-01", undefined, true],
  ["/ml/v1/deployments/my-model/text/generation_stream?version=2025-01-01", "my-model", true],
])("reads deployment and stream from %s", (path, model, stream) => {
  const route = routeFor(watsonxParser);
  const request = watsonxParser.readRequest({ route, path, headers: {}, body: { input: "a" } });
  expect(request.model).toBe(model);
  expect(request.stream).toBe(stream);
});
