// Turns what an app can see of a call into plain data that can be compared.
import { createHash } from "node:crypto";

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

export function describeBytes(...pieces) {
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  return { bytes: bytes.byteLength, hash: hash(bytes) };
}

/** @param known Objects whose identity matters, by name: the reason that was given for an abort. */
export function describeError(error, known = {}, depth = 0) {
  for (const [name, value] of Object.entries(known)) if (error === value) return { is: name };
  if (typeof error !== "object" || error === null) return { value: String(error), type: typeof error };
  const described = {
    class: error.constructor?.name,
    name: error.name,
    message: String(error.message).replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS"),
    code: error.code,
    status: error.statusCode,
    keys: Object.keys(error)
      .filter((key) => key !== "stack")
      .sort(),
  };
  if (error.cause !== undefined && depth < 3) described.cause = describeError(error.cause, known, depth + 1);
  return described;
}

export function describeResponse(response) {
  const described = {
    status: response.status,
    statusText: response.statusText,
    ok: response.ok,
    url: response.url,
    redirected: response.redirected,
    type: response.type,
    headers: [...response.headers],
    cookies: response.headers.getSetCookie?.(),
    class: response.constructor.name,
    ownKeys: Reflect.ownKeys(response).map(String),
    tag: Object.prototype.toString.call(response),
    hasBody: response.body !== null,
    isSameBody: response.body === response.body,
    bodyUsed: response.bodyUsed,
    locked: response.body?.locked,
  };
  try {
    response.headers.set("x-new", "1");
    described.headersAre = "mutable";
  } catch (error) {
    described.headersAre = error.name;
  }
  return described;
}

/** Runs a step; what it throws is an observation like any other. */
export async function attempt(run, known) {
  try {
    return { value: await run() };
  } catch (error) {
    return { error: describeError(error, known) };
  }
}

export async function readAll(body) {
  const pieces = [];
  for await (const chunk of body) pieces.push(chunk);
  return describeBytes(...pieces);
}

/** A log of events in which the number of chunks, which is chance, does not show. */
export function createLog() {
  const events = [];
  return {
    events,
    add(event) {
      if (events.at(-1) !== event) events.push(event);
    },
  };
}
