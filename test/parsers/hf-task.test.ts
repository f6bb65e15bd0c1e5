import { expect, it } from "vitest";
import { hfTaskParser } from "../../src/parsers/hf-task.ts";
import { describeParserContract } from "./contract.ts";
import { routeFor } from "./run.ts";

describeParserContract({ parser: hfTaskParser, route: { provider: "huggingface", operation: "text_completion" } });

it.each([
  ["/pipeline/fill-mask/bert-base-uncased", "fill-mask/bert-base-uncased", "bert-base-uncased"],
  [
    "/pipeline/feature-extraction/sentence-transformers/all-MiniLM-L6-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
  ],
  ["/models/org/name", "org/name", "org/name"],
  ["/hf-inference/models/org/name/pipeline/feature-extraction", "org/name", "org/name"],
])("finds the model in %s", (path, pathModel, model) => {
  const route = routeFor(hfTaskParser, { pathModel });
  expect(hfTaskParser.readRequest({ route, path, headers: {}, body: { inputs: "a" } }).model).toBe(model);
});
