import { expect, it } from "vitest";
import { vertexPredictParser } from "../../src/parsers/vertex-predict.ts";
import type { Operation } from "../../src/types.ts";
import { describeParserContract } from "./contract.ts";
import { routeFor } from "./run.ts";

describeParserContract({ parser: vertexPredictParser, route: { provider: "gcp.vertex_ai", operation: "embeddings" } });

it.each<[string, object, Operation, Operation | undefined]>([
  ["a text to embed", { content: "a" }, "image_generation", "embeddings"],
  ["a prompt", { prompt: "a" }, "embeddings", "image_generation"],
  ["a prompt for a model of text", { prompt: "a" }, "text_completion", undefined],
  ["an image to embed", { image: { bytesBase64Encoded: "eA" } }, "image_generation", "embeddings"],
  ["an image to change", { prompt: "a", image: { bytesBase64Encoded: "eA" } }, "image_generation", undefined],
])("tells the operation from %s", (_name, instance, routed, expected) => {
  const route = routeFor(vertexPredictParser, { operation: routed });
  const request = vertexPredictParser.readRequest({ route, path: "/", headers: {}, body: { instances: [instance] } });
  expect(request.operation).toBe(expected);
});
