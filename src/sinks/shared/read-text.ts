/** The body of an answer that may be anything. */

/**
 * Reads an answer as text. A body that breaks off rejects, as `response.text()` does.
 *
 * @param maxCharacters of a longer one nothing is returned, or as much as has come with `cut`.
 */
export async function readText(response: Response, maxCharacters: number, cut = false): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length > maxCharacters) {
      await reader.cancel();
      return cut ? text.slice(0, maxCharacters) : "";
    }
  }
}
