/** What went wrong inside the tap. Never thrown into the app's calls; only `invalid_option` and `closed` are thrown at all. */
export type TapErrorCode =
  | "invalid_option"
  | "missing_dependency"
  | "sink_failed"
  | "sink_rejected"
  | "parser_failed"
  | "callback_failed"
  | "interceptor_failed"
  | "context_invalid"
  | "signed_override_header"
  | "hook_lost"
  | "queue_overflow";

/** The one error class of llm-tap; `code` says what happened, `cause` holds what was thrown. */
export class TapError extends Error {
  override readonly name = "TapError";
  readonly code: TapErrorCode;

  constructor(code: TapErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
