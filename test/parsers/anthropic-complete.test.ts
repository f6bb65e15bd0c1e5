import { anthropicCompleteParser } from "../../src/parsers/anthropic-complete.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({
  parser: anthropicCompleteParser,
  route: { provider: "anthropic", operation: "text_completion" },
});
