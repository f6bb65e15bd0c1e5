import { dashscopeParser } from "../../src/parsers/dashscope.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: dashscopeParser, route: { provider: "dashscope" } });
