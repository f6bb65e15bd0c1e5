import { describe, expect, it } from "vitest";
import { applyPrivacy, applySpanPrivacy } from "../../src/enrich/privacy.ts";
import type { PrivacyPolicy } from "../../src/enrich/privacy.ts";
import { sampleCall, sampleSpan } from "../../src/testing/sample-records.ts";
import type { LlmCall, Message, Part } from "../../src/types.ts";

const base: PrivacyPolicy = {
  privacyMode: false,
  excludeInput: false,
  excludeOutput: false,
  captureMedia: false,
  maxContentLength: 100,
  redactPii: false,
  digest: (base64) => ({ bytes: base64.length, sha256: "cd".repeat(32) }),
};

function callWith(parts: Part[], changes: Partial<LlmCall["request"]> = {}): LlmCall {
  const call = sampleCall();
  call.request = { ...call.request, messages: [{ role: "user", parts }], ...changes };
  return call;
}

function partsOf(call: LlmCall): Part[] {
  return call.request.messages?.[0]?.parts ?? [];
}

function gate(call: LlmCall, changes: Partial<PrivacyPolicy> = {}): LlmCall {
  return applyPrivacy(call, { ...base, ...changes });
}

describe("capture.content", () => {
  it.each<[string, Partial<PrivacyPolicy>, string]>([
    ["nothing happened", {}, "full"],
    ["redact changed nothing", { redact: (text) => text, redactPii: true }, "full"],
    ["redact changed something", { redact: () => "x" }, "redacted"],
    [
      "redact failed",
      {
        redact: () => {
          throw new Error("x");
        },
      },
      "redacted",
    ],
    ["something was cut", { maxContentLength: 5 }, "truncated"],
    ["one side is excluded", { excludeInput: true }, "redacted"],
    ["both sides are excluded", { excludeInput: true, excludeOutput: true }, "metadata"],
    ["content is off", { privacyMode: true }, "metadata"],
  ])("%s", (_name, changes, expected) => {
    expect(gate(sampleCall(), changes).capture.content).toBe(expected);
  });

  it("says so where a parameter has no room at all", () => {
    const call = sampleCall();
    call.request.parameters = { temperature: 0.5, stop: "END", stream: true };
    const { request, capture } = gate(call, { maxContentLength: 0 });
    expect(request.parameters).toEqual({ temperature: 0.5, "…": "[cut, 1 fields]", stream: true });
    expect(capture.requestTruncated).toBe(true);
  });

  it("says which side was cut", () => {
    const { capture } = gate(callWith([{ type: "text", content: "x".repeat(101) }]));
    expect(capture).toMatchObject({ content: "truncated", requestTruncated: true, responseTruncated: false });
  });

  it("keeps a call that was captured as metadata without content", () => {
    const call = sampleCall();
    call.capture.content = "metadata";
    expect(gate(call).request.messages).toBeUndefined();
  });
});

describe("the cut", () => {
  it("comes after redaction, so that no half of a card is left", () => {
    const text = `${"x".repeat(90)} 4111 1111 1111 1111`;
    const [part] = partsOf(gate(callWith([{ type: "text", content: text }]), { redactPii: true }));
    expect(part).toEqual({ type: "text", content: `${"x".repeat(90)} [card]` });
    const [cut] = partsOf(gate(callWith([{ type: "text", content: text }]), { redactPii: true, maxContentLength: 93 }));
    expect(cut).toEqual({ type: "text", content: `${"x".repeat(90)} [c… [cut, 97 characters]` });
  });

  it("splits no character", () => {
    const [part] = partsOf(gate(callWith([{ type: "text", content: `${"x".repeat(99)}😀` }])));
    expect(part).toEqual({ type: "text", content: `${"x".repeat(99)}… [cut, 101 characters]` });
  });

  it("bounds a JSON value as a whole", () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => ({ index, text: "row" }));
    const [part] = partsOf(gate(callWith([{ type: "tool_call_response", response: { rows } }])));
    expect(JSON.stringify(part).length).toBeLessThan(600);
    expect(JSON.stringify(part)).toMatch(/cut, \d+ items/);
  });

  it("leaves the parameters behind a long one", () => {
    const { request } = gate(callWith([], { parameters: { metadata: { a: "x".repeat(500) }, temperature: 1 } }));
    expect(request.parameters["temperature"]).toBe(1);
  });
});

describe("redaction inside JSON", () => {
  const value = {
    to: "bob@example.com",
    "eve@example.com": [{ card: "4111111111111111", number: 4111111111111111 }],
    n: 5,
  };

  it("reaches texts, keys and numbers of tool arguments and results", () => {
    const parts: Part[] = [
      { type: "tool_call", name: "send", arguments: value },
      { type: "tool_call_response", response: value },
    ];
    const masked = { to: "[email]", "[email]": [{ card: "[card]", number: "[card]" }], n: 5 };
    expect(partsOf(gate(callWith(parts), { redactPii: true, maxContentLength: 1000 }))).toEqual([
      { type: "tool_call", name: "send", arguments: masked },
      { type: "tool_call_response", response: masked },
    ]);
  });

  it("reaches arguments that are no JSON", () => {
    const parts: Part[] = [{ type: "tool_call", name: "send", arguments: '{"to": "bob@example.com"' }];
    expect(partsOf(gate(callWith(parts), { redactPii: true }))).toEqual([
      { type: "tool_call", name: "send", arguments: '{"to": "[email]"' },
    ]);
  });

  it("drops the leaf, and says so, where redact fails", () => {
    const redact = (text: string): string => {
      if (text === "secret") throw new Error("no");
      return text;
    };
    const kept = gate(callWith([{ type: "tool_call", name: "f", arguments: { a: "fine", b: "secret" } }]), { redact });
    expect(partsOf(kept)).toEqual([
      { type: "tool_call", name: "f", arguments: { a: "fine", b: "[redaction failed]" } },
    ]);
    expect(kept.capture.notes).toContain("redact_failed");
  });

  it("tells redact where it is", () => {
    const places = new Set<string>();
    const redact = (text: string, where: string): string => {
      places.add(where);
      return text;
    };
    const call = sampleCall({ error: { kind: "http", message: "bad" } });
    call.request.parameters["user"] = "bob";
    call.request.url += "?q=what%20is%20love";
    gate(call, { redact });
    expect([...places].sort()).toEqual([
      "error.message",
      "request.messages",
      "request.parameters",
      "request.system",
      "request.tools",
      "request.url",
      "response.choices",
      "usage.raw",
    ]);
  });

  it("survives a listener that throws", () => {
    const fail = (): never => {
      throw new Error("again");
    };
    expect(() => gate(sampleCall(), { redact: fail, onRedactError: fail })).not.toThrow();
  });
});

describe("body credentials", () => {
  it("are masked by the name of their field", () => {
    const call = callWith([], {
      parameters: {
        mcp_servers: [{ name: "docs", authorization_token: "tok-123", url: "https://mcp.example.com" }],
        container: { network: { domain_secrets: [{ domain: "a.com", value: "v" }] } },
        client_secret: "plain",
        max_tokens: 5,
      },
      tools: [{ type: "mcp", name: "m", parameters: { authorization: "plain", headers: { "X-Team": "plain" } } }],
    });
    const text = JSON.stringify(gate(call, { maxContentLength: 1000 }).request);
    expect(text).not.toMatch(/tok-123|plain|"v"/);
    expect(text).toContain('"max_tokens":5');
    expect(text).toContain("mcp.example.com");
  });

  it("are not what a JSON schema says of them", () => {
    const parameters = {
      type: "object",
      properties: { password: { type: "string", description: "of the account" }, headers: { type: "object" } },
    };
    const call = callWith([], { tools: [{ type: "function", name: "login", parameters }] });
    expect(gate(call, { maxContentLength: 1000 }).request.tools?.[0]?.parameters).toEqual(parameters);
  });
});

describe("media", () => {
  const base64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ".repeat(20);
  const blob: Part = { type: "blob", modality: "image", mimeType: "image/png", content: base64 };

  it("becomes a descriptor", () => {
    expect(partsOf(gate(callWith([blob])))).toEqual([
      { type: "blob", modality: "image", mimeType: "image/png", bytes: base64.length, sha256: "cd".repeat(32) },
    ]);
  });

  it("is kept whole with captureMedia", () => {
    expect(partsOf(gate(callWith([blob]), { captureMedia: true }))).toMatchObject([{ content: base64 }]);
  });

  it("has a size where the platform has no digest", () => {
    const digest = (): never => {
      throw new Error("no crypto");
    };
    expect(partsOf(gate(callWith([blob]), { digest }))).toEqual([
      { type: "blob", modality: "image", mimeType: "image/png", bytes: (base64.length * 3) / 4 },
    ]);
  });

  it("is described in texts and JSON too", () => {
    const url = `data:image/png;base64,${base64}`;
    const parts: Part[] = [
      { type: "text", content: `![cat](${url})` },
      { type: "tool_call_response", response: { url, source: { media_type: "image/png", data: base64 } } },
    ];
    const text = JSON.stringify(partsOf(gate(callWith(parts), { maxContentLength: 1000 })));
    expect(text).not.toContain(base64.slice(0, 40));
    expect(text).toContain(`[image/png, ${base64.length} bytes, sha256 ${"cd".repeat(32)}]`);
  });
});

describe("addresses of requests", () => {
  it.each([
    [
      "https://api.example.com/v1/chat?prompt=tell me&api-version=2024-10-21",
      "https://api.example.com/v1/chat?api-version=2024-10-21",
    ],
    ["https://api.example.com/what%20is%20love/run", "https://api.example.com/REDACTED/run"],
    ["https://b.com/model/anthropic.claude-v2%3A1/invoke", "https://b.com/model/anthropic.claude-v2%3A1/invoke"],
  ])("%s", (url, expected) => {
    expect(gate(callWith([], { url }), { privacyMode: true }).request.url).toBe(expected);
  });
});

describe("a span", () => {
  const policy = { ...base, maxContentLength: 10_000 };

  it("keeps the name that the app chose, not one that a model said", () => {
    const name = "answer the question";
    expect(applySpanPrivacy(sampleSpan({ name, source: "observe" }), { ...policy, privacyMode: true }).name).toBe(name);
    expect(applySpanPrivacy(sampleSpan({ name, source: "inferred" }), { ...policy, privacyMode: true }).name).toBe(
      "(content off)",
    );
  });

  it("takes any value, and what it keeps is the record's own", () => {
    const circular: Record<string, unknown> = {
      when: new Date(0),
      bytes: new Uint8Array(3),
      big: 5n,
      map: new Map([["a", 1]]),
    };
    circular["self"] = circular;
    circular["fail"] = new Error("broken");
    circular["run"] = () => 1;
    Object.defineProperty(circular, "trap", {
      enumerable: true,
      get() {
        throw new Error("trap");
      },
    });
    const list = ["a"];
    const { input, output } = applySpanPrivacy(sampleSpan({ input: circular, output: list }), policy);
    expect(input).toEqual({
      when: "1970-01-01T00:00:00.000Z",
      bytes: "[binary, 3 bytes]",
      big: "5",
      map: { a: 1 },
      self: "[circular]",
      fail: { name: "Error", message: "broken" },
      trap: "[unreadable]",
    });
    list.push("b");
    expect(output).toEqual(["a"]);
  });
});

describe("hostile JSON", () => {
  it("sets no prototype", () => {
    const hostile: unknown = JSON.parse('{"__proto__": {"polluted": "yes"}, "constructor": "bob@example.com", "a": 1}');
    const parts: Part[] = [{ type: "tool_call", name: "f", arguments: hostile }];
    const [part] = partsOf(gate(callWith(parts), { redactPii: true }));
    const kept = (part as { arguments: Record<string, unknown> }).arguments;
    expect(Object.getPrototypeOf(kept)).toBe(Object.prototype);
    expect(Object.entries(kept)).toEqual([
      ["constructor", "[email]"],
      ["a", 1],
    ]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("is cut where it nests too deep", () => {
    const deep: unknown = JSON.parse(`${"[".repeat(5_000)}"secret"${"]".repeat(5_000)}`);
    const text = JSON.stringify(
      gate(callWith([{ type: "other", kind: "x", content: deep }]), { maxContentLength: 10_000 }),
    );
    expect(text).toContain("[too deep]");
    expect(text).not.toContain("secret");
  });

  it("of an unknown part type is left out", () => {
    const message = { role: "user", parts: [{ type: "hologram", secret: "s" }] } as unknown as Message;
    const call = sampleCall();
    call.request.messages = [message];
    expect(partsOf(gate(call))).toEqual([]);
  });
});
