/** @returns a text for whatever was thrown; never throws. */
export function describeThrown(thrown: unknown): string {
  try {
    return (thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : JSON.stringify(thrown)).slice(0, 500);
  } catch {
    return "something that has no text";
  }
}
