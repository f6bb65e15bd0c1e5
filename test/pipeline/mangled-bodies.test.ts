/** Bodies that lie about their form: every fixture, framed and labelled in each way that servers and proxies do it. */
import { readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RouteInfo } from "../../src/parsers/parser.ts";
import { type AssembledExchange, createAssembly } from "../../src/pipeline/assemble.ts";
import type { Api } from "../../src/types.ts";
import { cutAt, cuts } from "../decode/rechunk.ts";
import type { Expected } from "../parsers/fixtures.ts";
import { expectValidResponse } from "../parsers/valid.ts";

const root = new URL("../fixtures/", import.meta.url);
const SSE = "text/event-stream";

interface Body {
  name: string;
  route: RouteInfo;
  status: number;
  request: unknown;
  headers: Record<string, string>;
  text: string;
}

function readBodies(kind: "sse" | "json"): Body[] {
  return readdirSync(root).flatMap((folder) => {
    const read = (name: string): string => readFileSync(new URL(`${folder}/${name}`, root), "utf8");
    const files = readdirSync(new URL(`${folder}/`, root));
    const suffix = `.response.${kind}`;
    return files
      .filter((file) => file.endsWith(suffix) && !file.endsWith(".bin.json"))
      .map((file): Body => {
        const name = file.slice(0, -suffix.length);
        const expected = JSON.parse(read(`${name}.expected.json`)) as Expected;
        return {
          name: `${folder}/${name}`,
          route: { provider: "openai", api: folder as Api, operation: "chat", ...expected.route },
          status: expected.status ?? 200,
          request: files.includes(`${name}.request.json`) ? JSON.parse(read(`${name}.request.json`)) : undefined,
          headers: expected.headers ?? {},
          text: read(file),
        };
      });
  });
}

function assemble(
  body: Body,
  pieces: readonly Uint8Array[],
  contentType: string | undefined,
  interrupted = false,
): AssembledExchange {
  const assembly = createAssembly({
    route: body.route,
    path: "/",
    method: "POST",
    status: body.status,
    requestHeaders: {},
    responseHeaders: { ...body.headers, ...(contentType !== undefined && { "content-type": contentType }) },
    requestBody: () => ({ value: body.request, notes: [] }),
    contentLimit: 10_000_000,
  });
  for (const piece of pieces) assembly.push(piece, 1);
  return assembly.finish({ interrupted });
}

/** All that a record is made of, but for what says that the form was odd. */
function factsOf({ response, streaming }: AssembledExchange): unknown {
  const { notes: _notes, ...facts } = response;
  return { facts, streaming };
}

function run(body: Body, text: string, contentType: string | undefined = SSE): unknown {
  return factsOf(assemble(body, [new TextEncoder().encode(text)], contentType));
}

/** Event by event; `lines` of one event without its blank line. */
const eachEvent = (text: string, change: (lines: string[]) => string[]): string =>
  text
    .split(/\n\n+/)
    .filter((event) => event !== "")
    .map((event) => `${change(event.split("\n")).join("\n")}\n\n`)
    .join("");

/** Only JSON: in a plain text each space counts. */
const eachData = (text: string, change: (data: string) => string[]): string =>
  eachEvent(text, (lines) =>
    lines.flatMap((line) => (/^data: ?[{[]/.test(line) ? change(line.replace(/^data: ?/, "")) : [line])),
  );

/** A JSON text on several lines. */
function spread(data: string): string[] {
  try {
    return JSON.stringify(JSON.parse(data), null, 1).split("\n");
  } catch {
    return [data];
  }
}

const streamMangles: [string, (text: string) => string][] = [
  ["CRLF", (text) => text.replaceAll("\n", "\r\n")],
  ["lone CR", (text) => text.replaceAll("\n", "\r")],
  [
    "line ends of every kind",
    (text) => text.split("\n").reduce((all, line, at) => all + ["\n", "\r", "\r\n"][at % 3] + line),
  ],
  ["a byte order mark", (text) => `\u{FEFF}${text}`],
  ["white space in front", (text) => `\n \n\n${text}`],
  ["comments", (text) => `: hello\n\n${eachEvent(text, (lines) => [": keep-alive", ...lines, ":"])}:\n\n: bye\n`],
  ["keep-alives between events", (text) => eachEvent(text, (lines) => lines).replaceAll("\n\n", "\n\n: PING\n\n")],
  ["data without a space", (text) => eachData(text, (data) => [`data:${data}`])],
  ["data on several lines", (text) => eachData(text, (data) => spread(data).map((line) => `data: ${line}`))],
  ["ids and retries", (text) => eachEvent(text, (lines) => ["id: 7", "retry: 3000", ...lines])],
  ["many blank lines", (text) => eachEvent(text, (lines) => lines).replaceAll("\n\n", "\n\n\n\n")],
  ["no blank line at the end", (text) => `${text.trimEnd()}\n`],
  ["no line end at the end", (text) => text.trimEnd()],
  ["white space behind", (text) => `${text}\n \n\n`],
  ["the name behind the data", (text) => eachEvent(text, (lines) => lines.toReversed())],
];

const labels = [
  undefined,
  "",
  "text/event-stream; charset=utf-8",
  "application/json",
  "text/plain",
  "application/octet-stream",
  "text/html",
];

describe("streams", () => {
  describe.each(readBodies("sse").map((body) => [body.name, body] as const))("%s", (_name, body) => {
    const plain = run(body, body.text);

    it.each(streamMangles)("says the same with %s", (_mangle, change) => {
      expect(run(body, change(body.text))).toEqual(plain);
    });

    it("says the same under every name", () => {
      for (const label of labels) expect(run(body, body.text, label), String(label)).toEqual(plain);
    });

    it("says the same wherever chunks end", () => {
      const bytes = new TextEncoder().encode(body.text);
      if (bytes.byteLength < 2_000) {
        const each = Array.from(bytes, (_, at) => bytes.slice(at, at + 1));
        expect(factsOf(assemble(body, each, SSE))).toEqual(plain);
      }
      fc.assert(
        fc.property(
          fc.constantFrom(...streamMangles),
          cuts,
          fc.constantFrom(...labels),
          ([, change], shares, label) => {
            const pieces = cutAt(new TextEncoder().encode(change(body.text)), shares);
            expect(factsOf(assemble(body, pieces, label))).toEqual(plain);
          },
        ),
        { numRuns: 8 },
      );
    });
  });
});

it("reads usage that comes behind the end mark, and nothing else that does", () => {
  const body: Body = {
    name: "late usage",
    route: { provider: "custom", api: "openai-chat", operation: "chat" },
    status: 200,
    request: {},
    headers: {},
    text: [
      { id: "c-1", model: "m", choices: [{ index: 0, delta: { content: "Hi" }, finish_reason: "stop" }] },
      "[DONE]",
      { choices: [{ index: 0, delta: { content: " there" } }], usage: { prompt_tokens: 9 } },
      { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } },
    ]
      .map((event) => `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`)
      .join(""),
  };
  const assembled = assemble(body, [new TextEncoder().encode(body.text)], SSE);
  expect(textOf(assembled)).toBe("Hi");
  expect(assembled.response.usage).toMatchObject({ inputTokens: 1, outputTokens: 2, totalTokens: 3, complete: true });
});

const bodyMangles: [string, (text: string) => string][] = [
  ["a byte order mark", (text) => `\u{FEFF}${text}`],
  ["white space in front", (text) => `\n\n   \r\n\t${text}`],
  ["much white space in front", (text) => `${" \n".repeat(3_000)}${text}`],
  ["white space behind", (text) => `${text}\n\n  `],
  ["one line", (text) => JSON.stringify(JSON.parse(text))],
  ["CRLF", (text) => text.replaceAll("\n", "\r\n")],
];

describe("bodies", () => {
  describe.each(readBodies("json").map((body) => [body.name, body] as const))("%s", (_name, body) => {
    const plain = run(body, body.text, "application/json");

    it.each(bodyMangles)("says the same with %s", (_mangle, change) => {
      expect(run(body, change(body.text), "application/json")).toEqual(plain);
    });

    it("says the same under every name, wherever chunks end", () => {
      for (const label of [...labels, SSE]) expect(run(body, body.text, label), String(label)).toEqual(plain);
      fc.assert(
        fc.property(fc.constantFrom(...bodyMangles), cuts, ([, change], shares) => {
          const pieces = cutAt(new TextEncoder().encode(change(body.text)), shares);
          expect(factsOf(assemble(body, pieces, "application/json"))).toEqual(plain);
        }),
        { numRuns: 5 },
      );
    });
  });
});

/** Every byte of a small body; of a larger one some that are spread over it. */
function offsetsOf(length: number): number[] {
  const step = Math.max(1, Math.floor(length / 50));
  return Array.from({ length: Math.ceil(length / step) }, (_, at) => at * step);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const textOf = ({ response }: AssembledExchange): string =>
  (response.choices[0]?.message.parts ?? []).map((part) => (part.type === "text" ? part.content : "")).join("");

describe("bodies that break off", () => {
  const cases = [...readBodies("sse"), ...readBodies("json")].map((body) => [body.name, body] as const);

  it.each(cases)("%s", (_name, body) => {
    const bytes = new TextEncoder().encode(body.text);
    const label = body.text.trimStart().startsWith("{") ? "application/json" : SSE;
    const whole = textOf(assemble(body, [bytes], label));
    for (const offset of offsetsOf(bytes.byteLength)) {
      const cut = assemble(body, [bytes.slice(0, offset)], label, true);
      const { response } = cut;
      expect(cut.notes, `at ${offset}`).not.toContain("parser_failed");
      expectValidResponse(response);
      // Of a JSON body that broke off it may not be known yet what a text is: thoughts, a file's address.
      if (label === SSE) expect(whole.startsWith(textOf(cut)), `text at ${offset}`).toBe(true);
      if (!response.finished && response.usage.source === "reported") {
        expect(response.usage.complete, `usage at ${offset}`).toBe(false);
      }
      if (body.status < 400 && response.error === undefined && label !== SSE && !isJson(body.text.slice(0, offset))) {
        expect(response.finished, `finished at ${offset}`).toBe(false);
      }
    }
  });
});
