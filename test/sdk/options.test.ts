/** A wrong option is a TypeError that says which, what was expected and what came. */
import { describe, expect, it } from "vitest";
import { createTap } from "../../src/index.ts";

describe("options", () => {
  const wrong: [string, unknown][] = [
    ["sinks", { sinks: {} }],
    ["sinks", { sinks: [{ name: "x" }] }],
    ["sinks", { sinks: [null] }],
    ["hosts", { hosts: "api.openai.com" }],
    ["hosts", { hosts: { "not a host": { provider: "x" } } }],
    ["hosts", { hosts: { "localhost:1": { provider: 7 } } }],
    ["hosts", { hosts: { "localhost:1": { provider: "x", api: "openai" } } }],
    ["hosts", { hosts: { "localhost:1": true } }],
    ["sampleRate", { sampleRate: 2 }],
    ["sampleRate", { sampleRate: "0.5" }],
    ["sampleRate", { sampleRate: Number.NaN }],
    ["sample", { sample: 0.5 }],
    ["maxContentLength", { maxContentLength: -1 }],
    ["maxContentLength", { maxContentLength: "100" }],
    ["limits", { limits: 5 }],
    ["exchangeBytes", { limits: { exchangeBytes: "8MB" } }],
    ["queueExchanges", { limits: { queueExchanges: -1 } }],
    ["conversationBytes", { limits: { conversationBytes: -1 } }],
    ["conversationBytes", { limits: { conversationBytes: false } }],
    ["privacyMode", { privacyMode: "true" }],
    ["redact", { redact: /secret/ }],
    ["capture", { capture: "metadata" }],
    ["context", { context: { userId: "u" } }],
    ["headerOverrides", { headerOverrides: true }],
    ["identity", { headerOverrides: { identity: "always" } }],
    ["prices", { prices: [] }],
    ["onCall", { onCall: "log" }],
  ];

  it.each(wrong)("%s: %j is a TypeError that names it", (name, options) => {
    let error: unknown;
    try {
      createTap(options as never);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TypeError);
    expect((error as TypeError).message).toContain(name);
    // What was expected and what came.
    expect((error as TypeError).message.length).toBeGreaterThan(name.length + 20);
  });

  it.each([null, 5, "x", []])("%j instead of options is a TypeError", (options) => {
    expect(() => createTap(options as never)).toThrow(TypeError);
  });
});
