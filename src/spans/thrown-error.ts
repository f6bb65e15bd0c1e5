/** What a span says of an error that the app's function threw. */
import type { CallError } from "../types.ts";

const KINDS: ReadonlyMap<unknown, CallError["kind"]> = new Map([
  ["AbortError", "abort"],
  ["TimeoutError", "timeout"],
]);

/** Anything may be thrown, and reading it may throw again. */
export function readThrown(thrown: unknown): CallError {
  const name = read(thrown, "name");
  const code = read(thrown, "code");
  const status = read(thrown, "status");
  return {
    kind: KINDS.get(name) ?? "app",
    ...(typeof name === "string" && name !== "" && { type: name }),
    ...((typeof code === "string" || typeof code === "number") && { code: String(code) }),
    ...(typeof status === "number" && { status }),
    message: readMessage(thrown),
  };
}

function read(thrown: unknown, key: string): unknown {
  try {
    return (thrown as Record<string, unknown> | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}

function readMessage(thrown: unknown): string {
  const message = read(thrown, "message");
  if (typeof message === "string") return message;
  return typeof thrown === "string" ? thrown : `A value of type ${typeof thrown} was thrown`;
}
