import { openaiCompletionsParser } from "../../src/parsers/openai-completions.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiCompletionsParser });
