import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { parseExchange } from "../../src/parsers/parse-exchange.ts";

const request = {
  method: "POST",
  url: "https://api.openai.com/v1/chat/completions",
  headers: { "Content-Type": "application/json", Authorization: "Bearer sk-x" },
  body: JSON.stringify({ model: "gpt-x", stream: true, messages: [{ role: "user", content: "hi" }] }),
};
const chunk = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ id: "c1", model: "gpt-x-1", choices: [{ index: 0, delta, finish_reason: null }], ...more })}\n\n`;
const stream = `${chunk({ role: "assistant", content: "" })}${chunk({ content: "Hal" })}${chunk({ content: "lo" })}${chunk(
  {},
  { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
)}data: [DONE]\n\n`;

describe("parsing a recording", () => {
  it("reads request and response", () => {
    const parsed = parseExchange({
      request,
      response: { status: 200, headers: { "Content-Type": "text/event-stream" }, body: stream },
    });
    expect(parsed).toMatchObject({
      route: { provider: "openai", api: "openai-chat", operation: "chat" },
      request: { model: "gpt-x", stream: true },
      response: {
        model: "gpt-x-1",
        choices: [{ message: { parts: [{ type: "text", content: "Hallo" }] }, finishReason: "stop" }],
      },
      streaming: true,
      notes: [],
    });
    expect(parsed).not.toHaveProperty("firstTokenMs");
  });

  it("tells when the first token came where the chunks have times", () => {
    const bytes = new TextEncoder().encode(stream);
    const first = stream.indexOf("Hal");
    const parsed = parseExchange({
      request,
      response: {
        status: 200,
        headers: {},
        chunks: [
          { bytes: bytes.subarray(0, first), atMs: 5 },
          { bytes: bytes.subarray(first), atMs: 9 },
        ],
      },
    });
    expect(parsed?.firstTokenMs).toBe(9);
  });

  it("is undefined for what is no call", () => {
    const response = { status: 200, body: "{}" };
    expect(parseExchange({ request: { ...request, method: "GET" }, response })).toBeUndefined();
    expect(
      parseExchange({ request: { ...request, url: "https://api.openai.com/v1/models" }, response }),
    ).toBeUndefined();
    expect(
      parseExchange({ request: { ...request, url: "https://example.com/v1/messages", body: '{"to":"me"}' }, response }),
    ).toBeUndefined();
    expect(parseExchange({ request, response }, { hosts: { "api.openai.com": false } })).toBeUndefined();
    expect(parseExchange({ request: { ...request, url: "nonsense" }, response })).toBeUndefined();
  });

  it("knows a call on an unknown host by its body, and without a body by its path", () => {
    const response = { status: 200, body: "{}" };
    const url = "http://localhost:8080/v1/chat/completions";
    expect(parseExchange({ request: { ...request, url }, response })?.route.provider).toBe("custom");
    expect(parseExchange({ request: { method: "POST", url }, response })?.route.provider).toBe("custom");
    expect(
      parseExchange({ request: { ...request, url }, response }, { hosts: { "localhost:8080": { provider: "vllm" } } })
        ?.route.provider,
    ).toBe("vllm");
  });

  it("says that the wire ended early", () => {
    const cut = stream.slice(0, stream.indexOf("lo") - 3);
    const parsed = parseExchange({ request, response: { status: 200, body: cut } }, { interrupted: true });
    expect(parsed?.response.finished).toBe(false);
    expect(parsed?.notes).toContain("truncated_event");
  });

  it("refuses wrong hosts", () => {
    expect(() =>
      parseExchange({ request, response: { status: 200 } }, { hosts: { x: true as unknown as false } }),
    ).toThrow(TypeError);
  });
});

const folder = fileURLToPath(new URL("../../../shared/traffic/", import.meta.url));
const hasTraffic = existsSync(`${folder}exchanges.jsonl.gz`);
if (!hasTraffic) console.log("Skipped: no recorded traffic (../shared/traffic is missing).");

interface Recorded {
  id: string;
  request: {
    method: string;
    url: string;
    headers: Record<string, string>;
    body?: string | null;
    body_encoding?: string | null;
  };
  response: { status: number; headers: Record<string, string>; body?: string; body_base64?: string };
}

function readLines<Line>(file: string): Line[] {
  const text = gunzipSync(readFileSync(folder + file)).toString("utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

describe.skipIf(!hasTraffic)("recorded traffic", () => {
  it("is told apart into calls and the rest, by provider and operation", () => {
    const expected = new Map(
      readLines<{ id: string; llm: boolean | null; skip?: string[]; facts?: Record<string, unknown> }>(
        "expected.jsonl.gz",
      ).map((entry) => [entry.id, entry]),
    );
    const wrong: string[] = [];
    for (const { id, request, response } of readLines<Recorded>("exchanges.jsonl.gz")) {
      const entry = expected.get(id);
      if (entry === undefined || entry.llm === null || /[<>]/.test(request.url)) continue;
      const body = request.body ?? undefined;
      const parsed = parseExchange({
        request: {
          method: request.method,
          url: request.url,
          headers: request.headers,
          ...(body === undefined
            ? {}
            : { body: request.body_encoding === "base64" ? Buffer.from(body, "base64") : body }),
        },
        response: {
          status: response.status,
          headers: response.headers,
          body:
            response.body_base64 === undefined ? (response.body ?? "") : Buffer.from(response.body_base64, "base64"),
        },
      });
      if ((parsed !== undefined) !== entry.llm) wrong.push(`${id}: call`);
      if (parsed === undefined || !entry.llm) continue;
      const actual: Record<string, unknown> = {
        provider: parsed.route.provider,
        operation: parsed.response.operation ?? parsed.request.operation ?? parsed.route.operation,
        streaming: parsed.streaming,
      };
      for (const name of Object.keys(actual)) {
        const isJudged = entry.facts !== undefined && name in entry.facts && entry.skip?.includes(name) !== true;
        if (isJudged && entry.facts?.[name] !== actual[name]) wrong.push(`${id}: ${name} ${String(actual[name])}`);
      }
      if (parsed.notes.includes("parser_failed")) wrong.push(`${id}: parser failed`);
    }
    expect(wrong).toEqual([]);
  });
});
