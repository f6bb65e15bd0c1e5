/** The end of every answer with choices: usage resolved, choices built. */
import type { Usage } from "../../types.ts";
import type { ParsedResponse, ResponseEnd } from "../parser.ts";
import type { ChoiceFold } from "./choices.ts";
import { isCountedByServer } from "./openai-usage.ts";
import { buildResponse } from "./response-fold.ts";
import type { ResponseFold } from "./response-fold.ts";
import { resolveUsage } from "./usage.ts";
import type { UsageSituation } from "./usage.ts";

/**
 * @param usage - as the provider reported it
 * @param options - what else decides about usage that is missing
 */
export function finishChoices(
  response: ResponseFold,
  choices: ChoiceFold,
  end: ResponseEnd,
  usage: Usage | undefined,
  { optIn, deferred }: Pick<UsageSituation, "optIn" | "deferred"> = {},
): ParsedResponse {
  const { status, route } = response.input;
  const finished = response.ended || choices.isFinished();
  return buildResponse(response, {
    choices: choices.build(),
    usage: resolveUsage({
      usage,
      status,
      error: response.error,
      end,
      finished,
      hasOutput: choices.hasOutput(),
      zeroMeansMissing: !isCountedByServer(route.provider),
      optIn,
      deferred,
    }),
    finished,
    truncated: choices.isTruncated(),
    notes: choices.notes(),
  });
}
