/** Operations that need no tokens to be paid for. */
import type { Operation, Usage } from "../../types.ts";
import type { ResponseInput } from "../parser.ts";
import { notApplicableUsage } from "../parser.ts";

/** Where a response without token counts is what one expects. */
const tokenlessOperations: ReadonlySet<Operation> = new Set<Operation>([
  "rerank",
  "image_generation",
  "text_to_speech",
  "transcription",
  "moderation",
]);

/**
 * Usage that nobody reported does not apply where the operation is paid otherwise. Errors stay what they are.
 *
 * @param operation - what the answer told; default: what the request or the route told
 */
export function judgeUsage(usage: Usage, { request, route }: ResponseInput, operation?: Operation): Usage {
  if (usage.missingReason !== "not_reported") return usage;
  return tokenlessOperations.has(operation ?? request.operation ?? route.operation) ? notApplicableUsage() : usage;
}
