import { openaiImagesParser } from "../../src/parsers/openai-images.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiImagesParser });
