import { openaiAudioParser } from "../../src/parsers/openai-audio.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiAudioParser });
