import { openaiThreadsParser } from "../../src/parsers/openai-threads.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiThreadsParser });
