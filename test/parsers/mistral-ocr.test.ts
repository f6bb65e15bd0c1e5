import { mistralOcrParser } from "../../src/parsers/mistral-ocr.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: mistralOcrParser, route: { provider: "mistral_ai", operation: "transcription" } });
