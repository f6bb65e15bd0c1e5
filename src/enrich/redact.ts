/**
 * Personal data in text → typed placeholders (`[email]`, `[phone]`, `[card]`, `[iban]`, `[ssn]`, `[ip]`, `[api_key]`,
 * `[jwt]`). Linear in the text for any input: candidates are found by one scan and judged in bounded windows.
 */
import { maskCredentials } from "./credentials.ts";
import { maskIbans } from "./redact-iban.ts";
import { maskIpAddresses } from "./redact-ip.ts";
import { maskNumbers } from "./redact-numbers.ts";

/** Masks credentials, e-mail addresses, IBANs, IP addresses, cards, phone numbers and US social security numbers. */
export function maskPersonalData(text: string): string {
  if (text.length < 6) return text;
  let masked = maskEscapedEmails(maskEmails(maskCredentials(text)));
  // What follows is made of digits, all of it.
  if (!/\d/.test(masked) && !/\p{Nd}/u.test(masked)) return masked;
  masked = maskIbans(masked);
  masked = maskIpAddresses(masked);
  return maskNumbers(masked);
}

const MAX_LOCAL_LENGTH = 64;
const MAX_DOMAIN_LENGTH = 255;

/** Looks left and right of each `@`; a pattern that starts at every letter would be quadratic in a text without one. */
export function maskEmails(text: string): string {
  let at = text.indexOf("@");
  if (at === -1) return text;
  let result = "";
  let copied = 0;
  for (; at !== -1; at = text.indexOf("@", at + 1)) {
    const start = findLocalStart(text, at, copied);
    const end = start === at ? at : findDomainEnd(text, at + 1);
    if (end <= at + 1 || start === at) continue;
    result += `${text.slice(copied, start)}[email]`;
    copied = end;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

/** In URLs and in JSON within JSON; each repetition is bounded. */
const ESCAPED_EMAIL = /[\w.+-]{1,64}(?:%40|\\u0040|&#64;|\uff20)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/gi;

const ESCAPED_AT = ["%40", "u0040", "&#64;", "\uff20"];

function maskEscapedEmails(text: string): string {
  return ESCAPED_AT.some((escaped) => text.includes(escaped)) ? text.replace(ESCAPED_EMAIL, "[email]") : text;
}

function findLocalStart(text: string, at: number, lowest: number): number {
  let start = at;
  const limit = Math.max(lowest, at - MAX_LOCAL_LENGTH);
  while (start > limit && isLocalCharacter(text.charCodeAt(start - 1))) start--;
  return start;
}

/** The index after the domain, or `from` when what follows is no domain with a top level of letters. */
function findDomainEnd(text: string, from: number): number {
  const limit = Math.min(text.length, from + MAX_DOMAIN_LENGTH);
  let end = from;
  while (end < limit && isDomainCharacter(text.charCodeAt(end))) end++;
  while (end > from && (text[end - 1] === "." || text[end - 1] === "-")) end--;
  const domain = text.slice(from, end);
  const lastDot = domain.lastIndexOf(".");
  if (lastDot <= 0) return from;
  const top = domain.slice(lastDot + 1);
  // `x@2.0` and `model@20250101` are no addresses.
  return top.length >= 2 && !/\d/.test(top[0] ?? "") ? end : from;
}

function isLetterOrDigit(code: number): boolean {
  if (code > 127) return /\p{L}/u.test(String.fromCharCode(code));
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

/** Of what RFC 5322 allows, without the characters that stand in front of an address in URLs, code and quotes. */
function isLocalCharacter(code: number): boolean {
  return isLetterOrDigit(code) || "._%+-!#$*~^".includes(String.fromCharCode(code));
}

function isDomainCharacter(code: number): boolean {
  return isLetterOrDigit(code) || code === 45 || code === 46;
}
