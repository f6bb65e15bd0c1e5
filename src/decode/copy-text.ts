/** The same text in one piece, which keeps none alive that it was made of or cut from. */
export function copyText(text: string): string {
  return ` ${text}`.slice(1);
}
