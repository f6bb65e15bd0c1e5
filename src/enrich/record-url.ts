/** The URL of a request as it may be recorded. Credentials were removed when it was seen; this is the second look. */
import { maskCredentials } from "./credentials.ts";
import { maskEmails, maskPersonalData } from "./redact.ts";
import { isIdentifier } from "./text.ts";

/** With content off, a query parameter stays only if it is one of these. */
const harmlessParameters: ReadonlySet<string> = new Set([
  "api-version",
  "version",
  "alt",
  "beta",
  "stream",
  "api_version",
]);

export interface UrlPolicy {
  /** The path and the query may hold what the app wrote. */
  content: boolean;
  redactPii: boolean;
  /** Whether the app's own redaction leaves a part of it, decoded, as it is. */
  isKept?: (text: string) => boolean;
}

export function scrubRecordUrl(url: string, policy: UrlPolicy): string {
  const { content, redactPii, isKept } = policy;
  const masked = maskCredentials(url);
  if (content && !redactPii && isKept === undefined) return masked;
  const withoutFragment = masked.split("#", 1)[0] ?? "";
  const questionMark = withoutFragment.indexOf("?");
  const [base, query] =
    questionMark === -1
      ? [withoutFragment, undefined]
      : [withoutFragment.slice(0, questionMark), withoutFragment.slice(questionMark + 1)];
  const { origin, path } = splitPath(base);
  const segments = path.split("/").map((segment) => scrubSegment(segment, policy));
  const parameters = query?.split("&").flatMap((parameter) => scrubParameter(parameter, policy)) ?? [];
  return `${origin}${segments.join("/")}${parameters.length === 0 ? "" : `?${parameters.join("&")}`}`;
}

function splitPath(base: string): { origin: string; path: string } {
  const scheme = base.indexOf("://");
  const start = base.indexOf("/", scheme === -1 ? 0 : scheme + 3);
  return start === -1 ? { origin: base, path: "" } : { origin: base.slice(0, start), path: base.slice(start) };
}

function scrubSegment(segment: string, { content, redactPii, isKept }: UrlPolicy): string {
  if (segment === "") return segment;
  const decoded = decode(segment);
  if (!content && !isIdentifier(decoded)) return "REDACTED";
  // A person's address, but not the digits: projects and accounts are numbers.
  if (redactPii && maskEmails(decoded) !== decoded) return "REDACTED";
  // Parts of the path that any URL of the API has are no words of the app's.
  return isKept === undefined || COMMON_SEGMENT.test(segment) || isKept(decoded) ? segment : "REDACTED";
}

const COMMON_SEGMENT = /^(?:v\d\w{0,6}|api|[a-z]{2,14}(?:[-_][a-z]{2,14})?)$/;

function scrubParameter(parameter: string, { content, redactPii, isKept }: UrlPolicy): string[] {
  const equals = parameter.indexOf("=");
  const name = equals === -1 ? parameter : parameter.slice(0, equals);
  const value = equals === -1 ? "" : decode(parameter.slice(equals + 1));
  if (!content) return harmlessParameters.has(name.toLowerCase()) && /^[\w.-]{0,40}$/.test(value) ? [parameter] : [];
  const isMasked = (redactPii && maskPersonalData(value) !== value) || isKept?.(value) === false;
  return [isMasked ? `${name}=REDACTED` : parameter];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
