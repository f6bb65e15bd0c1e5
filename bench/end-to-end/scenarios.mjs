/**
 * What is measured end to end. `kind` of the request's model name tells the server what to answer:
 * `bench:json:2048`, `bench:stream:200:0` (chunks, ms between them), `bench:image:…`, `bench:embeddings:<count>:<dimensions>`.
 */

/**
 * @typedef {object} Scenario
 * @property {string} title
 * @property {"sdk" | "fetch" | "other" | "first"} client
 * @property {string} model what the server shall answer
 * @property {boolean} [stream]
 * @property {number} calls that are measured
 * @property {number} [warmUp] calls before that
 * @property {number} atOnce
 * @property {number} [requestLength] characters of the prompt
 * @property {boolean} [quick] part of the short form
 * @property {"too" | "only"} [peers] measured with the peers: besides, or with them only
 */

/** @type {Record<string, Scenario>} */
export const SCENARIOS = {
  "json-1": {
    title: "2 KB JSON, one at a time",
    client: "sdk",
    model: "bench:json:2048",
    calls: 3000,
    warmUp: 3000,
    atOnce: 1,
    quick: true,
  },
  "json-32": {
    title: "2 KB JSON, 32 at once",
    client: "sdk",
    model: "bench:json:2048",
    calls: 4000,
    warmUp: 3000,
    atOnce: 32,
    quick: true,
    peers: "too",
  },
  "request-100k": {
    title: "100 KB request",
    client: "sdk",
    model: "bench:json:2048",
    calls: 800,
    warmUp: 500,
    atOnce: 4,
    requestLength: 100_000,
    quick: true,
    peers: "too",
  },
  "stream-200-1": {
    title: "stream of 200 chunks, one at a time",
    client: "sdk",
    model: "bench:stream:200:0",
    stream: true,
    calls: 150,
    warmUp: 100,
    atOnce: 1,
  },
  "stream-200-16": {
    title: "streams of 200 chunks, 16 at once",
    client: "sdk",
    model: "bench:stream:200:0",
    stream: true,
    calls: 240,
    warmUp: 120,
    atOnce: 16,
    quick: true,
    peers: "too",
  },
  "stream-200-100": {
    title: "streams of 200 chunks, 100 at once",
    client: "sdk",
    model: "bench:stream:200:1",
    stream: true,
    calls: 300,
    warmUp: 100,
    atOnce: 100,
    quick: true,
    peers: "too",
  },
  "stream-2000-1": {
    title: "stream of 2,000 chunks, one at a time",
    client: "sdk",
    model: "bench:stream:2000:0",
    stream: true,
    calls: 20,
    warmUp: 6,
    atOnce: 1,
  },
  "stream-2000-16": {
    title: "streams of 2,000 chunks, 16 at once",
    client: "sdk",
    model: "bench:stream:2000:0",
    stream: true,
    calls: 32,
    warmUp: 16,
    atOnce: 16,
  },
  "stream-2000-100": {
    title: "streams of 2,000 chunks, 100 at once",
    client: "fetch",
    model: "bench:stream:2000:1",
    stream: true,
    calls: 100,
    warmUp: 8,
    atOnce: 100,
  },
  "text-1m": {
    title: "1 MB of text in an answer",
    client: "fetch",
    model: "bench:json:1048576",
    calls: 60,
    warmUp: 20,
    atOnce: 2,
  },
  "image-1m": {
    title: "1 MB base64 image",
    client: "fetch",
    model: "bench:image:1048576",
    calls: 60,
    warmUp: 20,
    atOnce: 2,
  },
  "text-10m": {
    title: "10 MB of text in an answer",
    client: "fetch",
    model: "bench:json:10485760",
    calls: 10,
    warmUp: 4,
    atOnce: 1,
    quick: true,
  },
  "image-10m": {
    title: "10 MB base64 image",
    client: "fetch",
    model: "bench:image:10485760",
    calls: 10,
    warmUp: 4,
    atOnce: 1,
  },
  "embeddings-72m": {
    title: "embeddings, 2,048 × 3,072",
    client: "fetch",
    model: "bench:embeddings:2048:3072",
    calls: 4,
    warmUp: 2,
    atOnce: 1,
  },
  "embeddings-2m": {
    title: "embeddings, 64 × 3,072",
    client: "sdk",
    model: "bench:embeddings:64:3072",
    calls: 30,
    warmUp: 10,
    atOnce: 1,
  },
  "slow-1000": {
    title: "1,000 slow streams at once",
    client: "fetch",
    model: "bench:stream:40:50",
    stream: true,
    calls: 1000,
    warmUp: 20,
    atOnce: 1000,
    quick: true,
  },
  "row-10000": {
    title: "10,000 calls in a row",
    client: "fetch",
    model: "bench:json:2048",
    calls: 10_000,
    warmUp: 500,
    atOnce: 1,
  },
  other: {
    title: "requests to another host, through install()",
    client: "other",
    model: "",
    calls: 8000,
    warmUp: 3000,
    atOnce: 8,
    quick: true,
  },
  first: {
    title: "import and first call",
    client: "first",
    model: "bench:json:2048",
    calls: 1,
    warmUp: 0,
    atOnce: 1,
    quick: true,
    peers: "too",
  },
  "sdk-text-1m": {
    title: "1 MB of text, through the SDK",
    client: "sdk",
    model: "bench:json:1048576",
    calls: 40,
    warmUp: 12,
    atOnce: 2,
    peers: "only",
  },
  "sdk-text-10m": {
    title: "10 MB of text, through the SDK",
    client: "sdk",
    model: "bench:json:10485760",
    calls: 4,
    warmUp: 1,
    atOnce: 1,
    peers: "only",
  },
  "sdk-slow-1000": {
    title: "1,000 slow streams at once, through the SDK",
    client: "sdk",
    model: "bench:stream:40:50",
    stream: true,
    calls: 1000,
    warmUp: 20,
    atOnce: 1000,
    peers: "only",
  },
};
