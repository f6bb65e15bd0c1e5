// Reads the recorded exchanges in place and applies the feeding rules of traffic/README.md.
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

export const root = path.resolve(fileURLToPath(import.meta.url), "../..");
/** Beside the project, or where `LLM_TAP_SHARED` says. */
export const trafficFolder = path.resolve(root, process.env.LLM_TAP_SHARED ?? "../shared", "traffic");

/** @returns {boolean} whether the recordings are here; says so when they are not. */
export function hasTraffic() {
  if (fs.existsSync(path.join(trafficFolder, "exchanges.jsonl.gz"))) return true;
  console.log(`Skipped: no recorded traffic (${path.relative(root, trafficFolder)} is missing).`);
  return false;
}

export function readExpected() {
  return readLines("expected.jsonl.gz");
}

/** Exchanges as `{ id, request: { method, url, headers, body }, response: { status, headers, body } }`, bodies as bytes. */
export function readExchanges() {
  return readLines("exchanges.jsonl.gz").map(({ id, request, response }) => ({
    id,
    request: {
      method: request.method,
      url: fixUrl(request.url),
      headers: dropHeaders(request.headers),
      body:
        typeof request.body === "string"
          ? Buffer.from(request.body, request.body_encoding === "base64" ? "base64" : "utf8")
          : undefined,
    },
    response: {
      status: response.status,
      headers: dropHeaders(response.headers),
      body:
        typeof response.body_base64 === "string"
          ? Buffer.from(response.body_base64, "base64")
          : typeof response.body === "string"
            ? Buffer.from(response.body, "utf8")
            : undefined,
    },
  }));
}

function readLines(file) {
  const text = gunzipSync(fs.readFileSync(path.join(trafficFolder, file))).toString("utf8");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function fixUrl(url) {
  const filled = url.replaceAll("<aws_region>", "us-east-1");
  return /^https?:\/\/[^<]/.test(filled)
    ? filled.replaceAll(/<[^>]*>/g, "placeholder")
    : filled.replace(/^(?:https?:\/\/)?(?:<[^>]*>|\{[^}]*\}|[^/]*)/, "http://placeholder.local");
}

function dropHeaders(headers) {
  return Object.fromEntries(
    Object.entries(headers ?? {}).filter(
      ([name]) => !["content-encoding", "content-length"].includes(name.toLowerCase()),
    ),
  );
}

/** A generator of numbers in [0, 1) that gives the same row for the same seed. */
export function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Cuts bytes at random places, now and then into single bytes. */
export function splitAtRandom(bytes, random) {
  const chunks = [];
  for (let at = 0; at < bytes.length;) {
    const size = random() < 0.1 ? 1 : 1 + Math.floor(random() * random() * 4000);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}
