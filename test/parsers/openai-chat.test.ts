import { openaiChatParser } from "../../src/parsers/openai-chat.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiChatParser });
