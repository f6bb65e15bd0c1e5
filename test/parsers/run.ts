/** Runs a parser over frames, for tests of what the contract suite does not know. */
import type { Frame, ParsedRequest, ParsedResponse, Parser, RouteInfo } from "../../src/parsers/parser.ts";

export interface RunOptions {
  route?: Partial<RouteInfo>;
  /** Default 200. */
  status?: number;
  headers?: Record<string, string>;
  request?: ParsedRequest;
}

/** A route to the parser's api. */
export function routeFor<State>(parser: Parser<State>, route: Partial<RouteInfo> = {}): RouteInfo {
  return { provider: "test", api: parser.api, operation: "chat", ...route };
}

export function parseFrames<State>(
  parser: Parser<State>,
  frames: readonly Frame[],
  options: RunOptions = {},
): ParsedResponse {
  const state = parser.start({
    route: routeFor(parser, options.route),
    status: options.status ?? 200,
    headers: options.headers ?? {},
    request: options.request ?? { parameters: {} },
    contentLimit: 1_000_000,
  });
  for (const frame of frames) parser.chunk(state, frame);
  return parser.finish(state, { streaming: frames.some(({ kind }) => kind === "event"), interrupted: false });
}
