/**
 * What stands around the calls. Each variant is set up in a process of its own, before the SDK is imported.
 *
 * @typedef {object} Variant
 * @property {typeof fetch} [fetch] for the SDK and for raw calls
 * @property {(sdk: object) => object} [wrap] around the SDK's client
 * @property {() => Promise<void>} finish sends all that is pending
 * @property {() => number | undefined} countRecorded calls that were really recorded
 */

async function setUpTap(port, how) {
  const { createTap } = await import("llm-tap");
  let recorded = 0;
  const sink = {
    // What stays in memory is not announced.
    name: "memory",
    write(records) {
      for (const record of records) if (record.type === "call" && record.usage.source === "reported") recorded += 1;
      return Promise.resolve({ results: records.map(() => "delivered") });
    },
  };
  const tap = createTap({ sinks: [sink], hosts: { [`127.0.0.1:${port}`]: { provider: "openai" } } });
  if (how === "install") tap.install();
  return {
    ...(how === "fetch" && { fetch: tap.fetch }),
    finish: () => tap.flush(),
    stats: () => tap.stats(),
    countRecorded: () => recorded,
  };
}

/** Sends what it records to the server, which takes 50 ms to answer. */
async function setUpHttpSink(port, options) {
  const { createTap } = await import("llm-tap");
  const { httpSink } = await import("llm-tap/sinks/http");
  const sink = httpSink({ url: `http://127.0.0.1:${port}/collect`, ...options });
  const tap = createTap({ sinks: [sink], hosts: { [`127.0.0.1:${port}`]: { provider: "openai" } } });
  let delivered = 0;
  return {
    fetch: tap.fetch,
    async finish() {
      ({ delivered } = await tap.flush());
    },
    countRecorded: () => delivered,
  };
}

/** What one writes first: read a clone of each response. */
function setUpClone() {
  let recorded = 0;
  const pending = new Set();
  async function read(response) {
    const text = await response.text();
    const values = text.startsWith("data:")
      ? text
          .split("\n")
          .filter((line) => line.startsWith("data: {"))
          .map((line) => JSON.parse(line.slice(6)))
      : [JSON.parse(text)];
    if (values.some((value) => value.usage)) recorded += 1;
  }
  return {
    async fetch(input, init) {
      const response = await globalThis.fetch(input, init);
      const reading = read(response.clone())
        .catch(() => {})
        .finally(() => pending.delete(reading));
      pending.add(reading);
      return response;
    },
    async finish() {
      await Promise.all(pending);
    },
    countRecorded: () => recorded,
  };
}

const nothing = { finish: () => Promise.resolve(), countRecorded: () => undefined };

/** @type {Record<string, (port: number) => Variant | Promise<Variant>>} */
export const VARIANTS = {
  none: () => nothing,
  "none again": () => nothing,
  "tap.fetch": (port) => setUpTap(port, "fetch"),
  "install()": (port) => setUpTap(port, "install"),
  "clone()": setUpClone,
};

/** Only for scenarios that name them. */
export const SPECIAL_VARIANTS = {
  httpSink: (port) => setUpHttpSink(port, {}),
  "httpSink with a fetch of the app's": (port) => setUpHttpSink(port, { fetch: globalThis.fetch }),
};
