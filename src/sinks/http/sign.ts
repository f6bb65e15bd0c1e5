/**
 * Signatures of requests as Standard Webhooks defines them, so that receivers can check them with a library.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHash, createHmac } from "node:crypto";

/** Makes the headers that name and sign a request. */
export type SignRequest = (body: string, recordIds: readonly string[]) => Record<string, string>;

const SECRET_PREFIX = "whsec_";

/**
 * @param secret without one, requests are named but not signed.
 * @returns the function that makes `webhook-id` (the same whenever these records are sent together), `webhook-timestamp`
 * (seconds) and `webhook-signature`: HMAC with SHA-256 over `id.timestamp.body`, the body before compression.
 */
export function createSigner(secret: string | undefined): SignRequest {
  const key = secret === undefined ? undefined : readKey(secret);

  return function signRequest(body, recordIds) {
    const id = `batch_${createHash("sha256").update(recordIds.join("\n")).digest("base64url").slice(0, 24)}`;
    const timestamp = String(Math.floor(Date.now() / 1000));
    const headers = { "webhook-id": id, "webhook-timestamp": timestamp };
    if (key === undefined) return headers;
    const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
    return { ...headers, "webhook-signature": `v1,${signature}` };
  };
}

function readKey(secret: string): Buffer {
  return secret.startsWith(SECRET_PREFIX)
    ? Buffer.from(secret.slice(SECRET_PREFIX.length), "base64")
    : Buffer.from(secret);
}
