/**
 * Credential-shaped text: what must never reach a record, with content on or off. All patterns run in linear time: each
 * is anchored where a token begins and its repetitions are of one character class that the match consumes.
 */

import { changeAbridged } from "../abridged-text.ts";
import { dropBrokenEnd } from "./text.ts";
import { remember } from "../remember.ts";

interface Pattern {
  /** Any of these must be in the text for the pattern to run: a plain search costs a tenth of a regular expression. */
  hints: readonly string[];
  pattern: RegExp;
  replacement: string;
}

/** `*` belongs to a token: providers mask the middle of a key in their error messages and leave both of its ends. */
const patterns: readonly Pattern[] = [
  {
    hints: ["PRIVATE KEY"],
    // Without its end line everything that follows is the key.
    pattern: /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g,
    replacement: "[private_key]",
  },
  {
    hints: ["eyJ"],
    pattern: /(?<![\w-])eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?/g,
    replacement: "[jwt]",
  },
  {
    hints: ["earer"],
    pattern: /\b(bearer)\s{1,4}(?!\[)[\w.~+/=*|:-]{6,}/gi,
    replacement: "$1 [token]",
  },
  {
    hints: ["asic "],
    pattern: /\b(basic)\s{1,4}[A-Za-z0-9+/]{12,}={0,2}/gi,
    replacement: "$1 [token]",
  },
  {
    // OpenAI, Anthropic, OpenRouter, DeepSeek, Stripe, Langfuse, …
    hints: ["sk-", "sk_", "pk-lf", "rk_"],
    pattern: /(?<![A-Za-z0-9])(?:sk-|pk-lf-|[sr]k_(?:live|test|prod)_)[\w*-]{8,}/g,
    replacement: "[api_key]",
  },
  {
    hints: ["AIza", "ya29.", "GOCSPX-"],
    pattern: /(?<![A-Za-z0-9])(?:AIza[\w*-]{20,}|ya29\.[\w.-]{16,}|GOCSPX-[\w-]{16,})/g,
    replacement: "[api_key]",
  },
  {
    hints: ["AKIA", "ASIA", "ABSK"],
    pattern: /(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{12,}|ABSK[A-Za-z0-9+/]{20,}={0,2})/g,
    replacement: "[api_key]",
  },
  {
    hints: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "npm_"],
    pattern: /(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|npm_)[\w-]{16,}/g,
    replacement: "[api_key]",
  },
  {
    hints: ["xox", "xapp-"],
    pattern: /(?<![A-Za-z0-9])(?:xox[a-z]|xapp)-[\w-]{8,}/g,
    replacement: "[api_key]",
  },
  {
    // Groq, xAI, Perplexity, Hugging Face, Replicate, Fireworks, Cerebras, NVIDIA, Together, SendGrid, DigitalOcean.
    hints: ["gsk_", "xai-", "pplx-", "hf_", "r8_", "fw_", "csk-", "nvapi-", "tgp_", "SG.", "dop_v1_"],
    pattern:
      /(?<![A-Za-z0-9])(?:gsk_|xai-|pplx-|hf_|r8_|fw_|csk-|nvapi-|tgp_v1_|SG\.|dop_v1_)(?=[\w.-]{0,40}\d)[\w.*-]{16,}/g,
    replacement: "[api_key]",
  },
  {
    // `https://user:password@host`
    hints: ["@"],
    pattern: /(:\/\/)[^\s/@:?#]{0,256}:[^\s/@?#]{1,256}@/g,
    replacement: "$1[credentials]@",
  },
  {
    // `?key=…` in a URL, and the same in a form.
    hints: ["="],
    pattern:
      /([?&;](?:key|api[_-]?key|apikey|access[_-]?token|auth[_-]?token|id[_-]?token|refresh[_-]?token|token|auth|sig|signature|secret|client[_-]?secret|password|passwd|code|x-amz-(?:credential|signature|security-token)|x-goog-(?:credential|signature)|subscription-key|ocp-apim-subscription-key)=)[^&#\s"'<>]{1,}/gi,
    replacement: "$1REDACTED",
  },
  {
    // `api_key: "…"`, `"client_secret":"…"`, `x-api-key=…`
    hints: ["key", "oken", "ecret", "assword", "asswd", "KEY", "OKEN", "ECRET", "ASSWORD", "redential"],
    pattern:
      /((?<![A-Za-z0-9])(?:x-)?(?:goog-)?(?:api[_-]?key|apikey|(?:access|auth|session|security|refresh|id)[_-]?token|(?:client|api|app|access|secret|aws)[_-](?:secret|access)(?:[_-]access)?(?:[_-]?key)?|secret[_-]?key|private[_-]?key|password|passwd)\\?["']?\s{0,2}[:=]\s{0,2}\\?["']?)(?!\[)[^\s"'\\,;&{}[\]()<>]{6,}/gi,
    replacement: "$1REDACTED",
  },
];

/** All hints at once: for short texts, of which a record has many, one search instead of forty. */
const ANY_HINT = new RegExp(
  patterns
    .flatMap(({ hints }) => hints)
    .map((hint) => hint.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("|"),
);
const SHORT = 512;

/** Replaces what is shaped like a credential by a typed placeholder (`[api_key]`, `[jwt]`, …). Linear in the text. */
export function maskCredentials(text: string): string {
  if (text.length < 8 || (text.length < SHORT && !ANY_HINT.test(text))) return text;
  return changeAbridged(text, (piece, mark) => {
    const masked = maskPiece(piece);
    // Shorter than it was, it shows how it ends: half a credential can't be told from a word.
    return (mark === "" || masked === piece ? masked : maskPiece(dropBrokenEnd(piece))) + mark;
  });
}

function maskPiece(text: string): string {
  let masked = text;
  for (const { hints, pattern, replacement } of patterns) {
    if (hints.some((hint) => masked.includes(hint))) masked = masked.replace(pattern, replacement);
  }
  return masked;
}

/** Fields of request bodies that hold a credential whatever it looks like, without case, `-` and `_`. */
const secretNames: ReadonlySet<string> = new Set([
  "authorization",
  "proxyauthorization",
  "authorizationtoken",
  "apikey",
  "xapikey",
  "xgoogapikey",
  "accesstoken",
  "authtoken",
  "refreshtoken",
  "idtoken",
  "bearertoken",
  "sessiontoken",
  "clientsecret",
  "secretkey",
  "secretaccesskey",
  "awssecretaccesskey",
  "privatekey",
  "password",
  "passwd",
  "secret",
  "credential",
  "credentials",
  "serviceaccountkey",
]);

/** Fields whose every value is treated as a credential. */
const secretContainers: ReadonlySet<string> = new Set([
  "headers",
  "extraheaders",
  "httpheaders",
  "customheaders",
  "defaultheaders",
  "requestheaders",
  "domainsecrets",
  "authentication",
  "apikeys",
  "byok",
]);

/** Part of every name in both sets: most field names have none of these, and are done with. */
const SECRET_NAME_HINT = /auth|key|token|secret|passw|credential|header|byok/i;

export type SecretKind = "value" | "container";

/** Fields of APIs come again and again, and many of them count tokens. */
const classified = new Map<string, SecretKind | undefined>();
const MAX_CLASSIFIED = 2_000;

/** Whether a field of this name holds a credential itself, or only credentials, or neither. */
export function classifySecretName(name: string): SecretKind | undefined {
  if (name.length > 32) return undefined;
  const known = classified.get(name);
  if (known !== undefined || classified.has(name)) return known;
  return remember(classified, MAX_CLASSIFIED, name, readSecretName(name));
}

function readSecretName(name: string): SecretKind | undefined {
  if (!SECRET_NAME_HINT.test(name)) return undefined;
  const plain = name.replace(/[-_]/g, "").toLowerCase();
  if (secretNames.has(plain)) return "value";
  return secretContainers.has(plain) ? "container" : undefined;
}
