import { cloudflareRunParser } from "../../src/parsers/cloudflare-run.ts";
import { describeParserContract } from "./contract.ts";

describeParserContract({ parser: cloudflareRunParser, route: { provider: "cloudflare" } });
