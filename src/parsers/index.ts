/** `llm-tap/parsers`: reads recorded exchanges, with the parsers that the tap itself uses. */
export { parseExchange, type ParseExchangeOptions } from "./parse-exchange.ts";
export type { RecordedBody, RecordedExchange, RecordedHeaders } from "./read-recording.ts";
export { findParser } from "./table.ts";
export { FRAME_NOTHING, FRAME_OUTPUT, FRAME_TERMINAL } from "./parser.ts";
export type {
  Frame,
  ParsedError,
  ParsedRequest,
  ParsedResponse,
  Parser,
  RequestInput,
  ResponseEnd,
  ResponseInput,
  RouteInfo,
} from "./parser.ts";
export type * from "../public-types.ts";
