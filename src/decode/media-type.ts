import { remember } from "../remember.ts";

/** They come again and again. */
const types = new Map<string, string>();
const MAX_TYPES = 200;
const LONGEST = 256;

/** The type of a `content-type` header, in lower case and without its parameters. `""`: there is none. */
export function mediaTypeOf(contentType: string | undefined): string {
  if (contentType === undefined) return "";
  const known = types.get(contentType);
  if (known !== undefined) return known;
  const end = contentType.indexOf(";");
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  if (contentType.length > LONGEST) return type;
  return remember(types, MAX_TYPES, contentType, type);
}
