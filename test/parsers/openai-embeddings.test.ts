import { openaiEmbeddingsParser } from "../../src/parsers/openai-embeddings.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: openaiEmbeddingsParser });
