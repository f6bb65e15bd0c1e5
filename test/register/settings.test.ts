import { describe, expect, it } from "vitest";
import { type Environment, readSettings, VARIABLES } from "../../src/register/settings.ts";

const AMPLITUDE = { kind: "amplitude", apiKey: "abc" };

describe("the sinks that the environment asks for", () => {
  const cases: [name: string, environment: Environment, sinks: unknown[]][] = [
    ["nothing set", {}, [{ kind: "console" }]],
    [
      "everything set to nothing",
      Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, " "])),
      [{ kind: "console" }],
    ],
    ["a key of our own", { LLM_TAP_AMPLITUDE_API_KEY: " abc " }, [AMPLITUDE]],
    ["a key that is there for other reasons", { AMPLITUDE_API_KEY: "abc" }, [{ kind: "console" }]],
    ["such a key, and amplitude named", { AMPLITUDE_API_KEY: "abc", LLM_TAP_SINKS: "amplitude" }, [AMPLITUDE]],
    [
      "both keys",
      { AMPLITUDE_API_KEY: "other", LLM_TAP_AMPLITUDE_API_KEY: "abc", LLM_TAP_SINKS: "amplitude" },
      [AMPLITUDE],
    ],
    [
      "a list",
      { LLM_TAP_AMPLITUDE_API_KEY: "abc", LLM_TAP_SINKS: "Amplitude, console,jsonl:./calls.jsonl,,console" },
      [AMPLITUDE, { kind: "console" }, { kind: "jsonl", path: "./calls.jsonl" }],
    ],
    [
      "a path with a colon",
      { LLM_TAP_SINKS: "jsonl:C:\\logs\\calls.jsonl" },
      [{ kind: "jsonl", path: "C:\\logs\\calls.jsonl" }],
    ],
    [
      "a proxy and a zone",
      {
        LLM_TAP_AMPLITUDE_API_KEY: "abc",
        AMPLITUDE_SERVER_URL: "https://proxy.example.com/batch",
        AMPLITUDE_SERVER_ZONE: "eu",
      },
      [{ ...AMPLITUDE, serverUrl: "https://proxy.example.com/batch", serverZone: "EU" }],
    ],
    ["OpenTelemetry", { LLM_TAP_SINKS: "console,otel" }, [{ kind: "console" }, { kind: "otel" }]],
    [
      "an outbox",
      { LLM_TAP_AMPLITUDE_API_KEY: "abc", LLM_TAP_OUTBOX: "yes" },
      [{ kind: "amplitude", apiKey: "abc", outbox: {} }],
    ],
    [
      "an outbox somewhere",
      { LLM_TAP_AMPLITUDE_API_KEY: "abc", LLM_TAP_OUTBOX: "/var/lib/app" },
      [{ kind: "amplitude", apiKey: "abc", outbox: { dir: "/var/lib/app" } }],
    ],
    ["no outbox", { LLM_TAP_AMPLITUDE_API_KEY: "abc", LLM_TAP_OUTBOX: "off" }, [{ kind: "amplitude", apiKey: "abc" }]],
    ["a zone that nobody uses", { AMPLITUDE_SERVER_ZONE: "Mars" }, [{ kind: "console" }]],
  ];

  it.each(cases)("%s", (_name, environment, sinks) => {
    expect(readSettings(environment)).toMatchObject({ settings: { sinks }, warnings: [] });
  });
});

describe("the options that the environment sets", () => {
  const cases: [environment: Environment, options: object][] = [
    [{ LLM_TAP_PRIVACY_MODE: "1" }, { privacyMode: true }],
    [
      { LLM_TAP_PRIVACY_MODE: "TRUE", LLM_TAP_EXCLUDE_INPUT: "yes", LLM_TAP_EXCLUDE_OUTPUT: "on" },
      { privacyMode: true, excludeInput: true, excludeOutput: true },
    ],
    [{ LLM_TAP_PRIVACY_MODE: "false", LLM_TAP_EXCLUDE_INPUT: "0", LLM_TAP_EXCLUDE_OUTPUT: "off" }, {}],
    [
      { LLM_TAP_HOSTS: "llm.example.com=openai, localhost:4000 = anthropic,https://a.example/v1=off" },
      {
        hosts: {
          "llm.example.com": { provider: "openai" },
          "localhost:4000": { provider: "anthropic" },
          "https://a.example/v1": false,
        },
      },
    ],
    [
      { LLM_TAP_HOSTS: '{"llm.example.com":{"provider":"mine","api":"openai-chat"},"b.example":false}' },
      { hosts: { "llm.example.com": { provider: "mine", api: "openai-chat" }, "b.example": false } },
    ],
  ];

  it.each(cases)("%j", (environment, options) => {
    expect(readSettings(environment)).toMatchObject({ settings: { options: {} }, warnings: [] });
    expect(readSettings(environment).settings.options).toEqual(options);
  });

  it("are off, and nothing is said, by default", () => {
    expect(readSettings({})).toEqual({
      settings: { isDisabled: false, isDebug: false, sinks: [{ kind: "console" }], options: {} },
      warnings: [],
    });
    expect(readSettings({ LLM_TAP_DISABLED: "1", LLM_TAP_DEBUG: "1" }).settings).toMatchObject({
      isDisabled: true,
      isDebug: true,
    });
  });
});

describe("a wrong value is one line that names the variable and what was expected", () => {
  const cases: [environment: Environment, warning: string, settings: object][] = [
    [
      { LLM_TAP_SINKS: "console,datadog" },
      'LLM_TAP_SINKS: got "datadog"; expected a comma list of amplitude, console, jsonl:<path>, otel (left out)',
      { sinks: [{ kind: "console" }] },
    ],
    [
      { LLM_TAP_SINKS: "jsonl" },
      'LLM_TAP_SINKS: got "jsonl"; expected a comma list of amplitude, console, jsonl:<path>, otel (left out)',
      { sinks: [] },
    ],
    [
      { LLM_TAP_SINKS: "amplitude" },
      "LLM_TAP_SINKS: amplitude needs a key; expected one in LLM_TAP_AMPLITUDE_API_KEY or AMPLITUDE_API_KEY (left out)",
      { sinks: [] },
    ],
    [
      { LLM_TAP_SINKS: "console", LLM_TAP_AMPLITUDE_API_KEY: "abc" },
      "LLM_TAP_AMPLITUDE_API_KEY is set, but LLM_TAP_SINKS does not name amplitude (nothing is sent to Amplitude)",
      { sinks: [{ kind: "console" }] },
    ],
    // Never sent elsewhere than was meant.
    [
      { LLM_TAP_AMPLITUDE_API_KEY: "abc", AMPLITUDE_SERVER_ZONE: "Europe" },
      'AMPLITUDE_SERVER_ZONE: got "Europe"; expected US or EU (nothing is sent to Amplitude)',
      { sinks: [] },
    ],
    [
      { LLM_TAP_AMPLITUDE_API_KEY: "abc", AMPLITUDE_SERVER_URL: "ftp://user:secret@proxy" },
      "AMPLITUDE_SERVER_URL: this is none; expected an http(s) URL (nothing is sent to Amplitude)",
      { sinks: [] },
    ],
    // Never less private than was meant.
    [
      { LLM_TAP_PRIVACY_MODE: "ture" },
      'LLM_TAP_PRIVACY_MODE: got "ture"; expected true or false (taken as true)',
      { options: { privacyMode: true } },
    ],
    [
      { LLM_TAP_EXCLUDE_INPUT: "inputs" },
      'LLM_TAP_EXCLUDE_INPUT: got "inputs"; expected true or false (taken as true)',
      { options: { excludeInput: true } },
    ],
    [
      { LLM_TAP_EXCLUDE_OUTPUT: "2" },
      'LLM_TAP_EXCLUDE_OUTPUT: got "2"; expected true or false (taken as true)',
      { options: { excludeOutput: true } },
    ],
    [
      { LLM_TAP_DISABLED: "maybe" },
      'LLM_TAP_DISABLED: got "maybe"; expected true or false (taken as true)',
      { isDisabled: true },
    ],
    [
      { LLM_TAP_AMPLITUDE_API_KEY: "abc", LLM_TAP_OUTBOX: "./here" },
      'LLM_TAP_OUTBOX: got "./here"; expected true, false or the absolute path of a directory (no outbox)',
      { sinks: [{ kind: "amplitude", apiKey: "abc" }] },
    ],
    [{ LLM_TAP_DEBUG: "2" }, 'LLM_TAP_DEBUG: got "2"; expected true or false (ignored)', { isDebug: false }],
    [
      { LLM_TAP_PRIVACY: "1" },
      expect.stringMatching(/^LLM_TAP_PRIVACY is not known; expected one of LLM_TAP_SINKS, .* \(ignored\)$/) as string,
      { options: {} },
    ],
  ];

  it.each(cases)("%j", (environment, warning, settings) => {
    const read = readSettings(environment);
    expect(read.warnings).toEqual([warning]);
    expect(read.settings).toMatchObject(settings);
  });

  it.each([
    ["{not json", {}, /this is no valid JSON/],
    ["{}}", {}, /this is no valid JSON/],
    ["a.example", {}, /got "a\.example"/],
    ["a.example=openai,=off", { "a.example": { provider: "openai" } }, /got "=off"/],
    ["ftp://a.example=openai", {}, /only http: and https: are tapped/],
    ['{"a.example":{"provider":1}}', {}, /provider/],
    ['{"a.example":{"provider":"openai","api":"soap"},"b.example":false}', { "b.example": false }, /api/],
    ['{"a.example":null}', {}, /must be/],
  ])("LLM_TAP_HOSTS=%s", (text, hosts, warning) => {
    const read = readSettings({ LLM_TAP_HOSTS: text });
    expect(read.warnings).toEqual([expect.stringMatching(/^LLM_TAP_HOSTS: .*; expected .* \(left out\)$/)]);
    expect(read.warnings[0]).toMatch(warning);
    expect(read.settings.options.hosts ?? {}).toEqual(hosts);
  });

  it("shows no secret and stays one line", () => {
    const { warnings } = readSettings({
      LLM_TAP_AMPLITUDE_API_KEY: "s3cret",
      AMPLITUDE_SERVER_URL: "not a url s3cret",
      LLM_TAP_SINKS: `amplitude,${"x".repeat(500)}\nfoo\u001b[31m`,
    });
    for (const hidden of ["s3cret", "\n", "\u001b"]) expect(warnings.join("|")).not.toContain(hidden);
    expect(Math.max(...warnings.map(({ length }) => length))).toBeLessThan(300);
  });

  it("takes no harm from names that reach prototypes", () => {
    const { settings } = readSettings({ LLM_TAP_HOSTS: '{"__proto__":{"provider":"openai"}}' });
    expect(Object.getPrototypeOf(settings.options.hosts ?? {})).toBe(Object.prototype);
    expect(readSettings({ LLM_TAP_PRIVACY_MODE: "constructor" }).settings.options).toEqual({ privacyMode: true });
  });
});
