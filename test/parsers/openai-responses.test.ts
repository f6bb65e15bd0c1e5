import { openaiResponsesParser } from "../../src/parsers/openai-responses.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiResponsesParser });
