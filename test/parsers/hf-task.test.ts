import { hfTaskParser } from "../../src/parsers/hf-task.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: hfTaskParser, route: { provider: "huggingface", operation: "text_completion" } });
