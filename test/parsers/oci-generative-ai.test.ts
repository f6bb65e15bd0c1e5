import { ociGenerativeAiParser } from "../../src/parsers/oci-generative-ai.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: ociGenerativeAiParser, route: { provider: "oci" } });
