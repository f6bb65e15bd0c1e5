/** Which parser reads which API. Adding an API is one parser file, one fixture folder, one row here. */
import type { Api } from "../types.ts";
import type { Parser } from "./parser.ts";

const PARSERS: Readonly<Partial<Record<Api, Parser>>> = {};

/** The parser of an API. */
export function findParser(api: Api): Parser | undefined {
  return PARSERS[api];
}
