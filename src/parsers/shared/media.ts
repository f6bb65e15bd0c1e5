/**
 * Media in messages: inline base64 becomes a blob part whose `content` is the base64 text (a later stage makes a
 * descriptor of it), a plain URL a uri part.
 */
import type { BlobPart, Modality, UriPart } from "../../types.ts";

/** A MIME type and its parameters are short; the search for the comma of a data URL must not scan a megabyte. */
const MAX_DATA_URL_HEAD = 512;

/** The modality of a MIME type; whatever is no image, audio or video is a document. */
export function modalityOf(mimeType: string | undefined): Modality {
  const kind = mimeType?.slice(0, mimeType.indexOf("/"));
  return kind === "image" || kind === "audio" || kind === "video" ? kind : "document";
}

/**
 * @param url - a `data:` URL or a reference
 * @param modality - what the message says it is; default: by MIME type
 */
export function readMediaUrl(url: string, modality?: Modality): BlobPart | UriPart {
  if (!isDataUrl(url)) return modality === undefined ? { type: "uri", uri: url } : { type: "uri", modality, uri: url };
  const comma = url.slice(0, MAX_DATA_URL_HEAD).indexOf(",");
  const [type = "", ...flags] = url
    .slice(5, comma === -1 ? 5 : comma)
    .split(";")
    .map((piece) => piece.trim());
  const mimeType = type === "" ? undefined : type.toLowerCase();
  const part: BlobPart = { type: "blob", modality: modality ?? modalityOf(mimeType) };
  if (mimeType !== undefined) part.mimeType = mimeType;
  if (comma !== -1 && flags.some((flag) => flag.toLowerCase() === "base64")) part.content = url.slice(comma + 1);
  return part;
}

/**
 * @param data - base64 text, or a `data:` URL
 * @param mimeType - default: what the data URL says
 */
export function readBase64Media(data: string, modality: Modality | undefined, mimeType?: string): BlobPart {
  if (isDataUrl(data)) return { ...readMediaUrl(data, modality), ...(mimeType && { mimeType }) } as BlobPart;
  const part: BlobPart = { type: "blob", modality: modality ?? modalityOf(mimeType), content: data };
  if (mimeType !== undefined) part.mimeType = mimeType;
  return part;
}

function isDataUrl(url: string): boolean {
  return /^data:/i.test(url.slice(0, 5));
}
