import { openaiModerationParser } from "../../src/parsers/openai-moderation.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiModerationParser });
