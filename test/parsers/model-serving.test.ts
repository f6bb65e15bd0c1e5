import { modelServingParser } from "../../src/parsers/model-serving.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: modelServingParser, route: { provider: "databricks" } });
