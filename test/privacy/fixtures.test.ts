/** Every text of every fixture of every API is a canary once: what of them is in the record, under each setting. */
import { describe, expect, it } from "vitest";
import { type ParseExchangeOptions, parseExchange } from "../../src/parsers/index.ts";
import type { LlmCall } from "../../src/types.ts";
import { stringLeaves } from "../enrich/complete-records.ts";
import { type Case, isProtocol, listCases, type Plant, plantIn, plantInBody } from "./planted.ts";

const cases = listCases();

/** Names and ids, which pass while they look like one: what a record is about without its content. */
const NAMES = [
  "request.model",
  "response.id",
  "response.model",
  "response.serviceTier",
  "response.upstreamProvider",
  "response.jobId",
  "response.choices.#.message.role",
  "response.choices.#.message.parts.#.id",
  "response.choices.#.message.parts.#.name",
  "response.choices.#.message.parts.#.fileId",
  "response.choices.#.rawFinishReason",
  "error.type",
  "error.code",
];

interface Planted {
  side: "request" | "response";
  path: string;
  owners: readonly object[];
}

type Choose = (planted: Planted) => boolean;

let serial = 0;

function play(from: Case, options: ParseExchangeOptions, choose: Choose, write: (canary: string) => string): Found[] {
  const planted = new Map<string, Planted>();
  const plant =
    (side: Planted["side"]): Plant =>
    (path, _text, owners) => {
      const place = { side, path, owners };
      if (!choose(place)) return undefined;
      const canary = `zq${(serial += 1).toString(36)}qz`;
      planted.set(canary, place);
      return write(canary);
    };
  const host = `${from.api}.example`;
  const call = parseExchange(
    {
      request: {
        method: "POST",
        url: `https://${host}/v1/call`,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(plantIn(from.request, plant("request"))),
      },
      response: {
        status: from.status,
        headers: from.headers,
        body: plantInBody(from.kind, from.response, plant("response")),
      },
    },
    { hosts: { [host]: { provider: "custom", api: from.api } }, ...options },
  );
  return call === undefined ? [] : findIn(call, planted);
}

interface Found extends Planted {
  /** Where in the record. */
  at: string;
}

function findIn(call: LlmCall, planted: ReadonlyMap<string, Planted>): Found[] {
  const leaves = stringLeaves(call);
  const keys = [...JSON.stringify(call).matchAll(/"((?:[^"\\]|\\.)*)":/g)].map(([, key = ""]) => key);
  const found: Found[] = [];
  for (const [canary, { side, path, owners }] of planted) {
    for (const leaf of leaves) if (leaf.text.includes(canary)) found.push({ side, path, owners, at: leaf.path });
    if (keys.some((key) => key.includes(canary))) found.push({ side, path, owners, at: "a key" });
  }
  return found;
}

const describeFound = (from: Case, { side, path, at }: Found): string =>
  `${from.api}/${from.name} ${side} ${path} → ${at}`;

/** @param allowed - of what was found */
function expectOnly(
  allowed: (found: Found) => boolean,
  options: ParseExchangeOptions,
  choose: Choose,
  write: (canary: string) => string,
): void {
  const leaks = cases.flatMap((from) =>
    play(from, options, choose, write)
      .filter((found) => !allowed(found))
      .map((found) => describeFound(from, found)),
  );
  expect(leaks).toEqual([]);
}

const word = (canary: string): string => canary;
const sentence = (canary: string): string => `they said ${canary} to me`;
const content: Choose = ({ path }) => !isProtocol(path);
const throws = (): string => {
  throw new Error("broken");
};

it("has fixtures of every API", () => {
  expect(new Set(cases.map(({ api }) => api)).size).toBeGreaterThanOrEqual(27);
});

it("finds what passes, with content on", () => {
  const found = cases.flatMap((from) => play(from, {}, content, sentence));
  expect(found.length).toBeGreaterThan(1_000);
});

describe.each<[string, ParseExchangeOptions]>([
  ["privacyMode", { privacyMode: true }],
  ["excludeInput and excludeOutput", { excludeInput: true, excludeOutput: true }],
  ["a redact that throws", { redact: throws }],
])("with %s", (_name, options) => {
  it("no sentence passes", () => expectOnly(() => false, options, content, sentence));

  it("no word passes but as a name", () => {
    const names = options.redact === undefined ? NAMES : [...NAMES, ...NAMES_WITH_CONTENT];
    expectOnly(({ at }) => names.includes(at), options, content, word);
  });

  it("nor in the place of a word of the protocol, each for itself", () => {
    const leaks = new Set<string>();
    for (const from of cases) {
      const paths = new Set<string>();
      const note: Choose = ({ side, path }) => isProtocol(path) && paths.add(`${side} ${path}`) && false;
      play(from, options, note, sentence);
      for (const only of paths)
        for (const found of play(from, options, ({ side, path }) => `${side} ${path}` === only, sentence))
          leaks.add(describeFound(from, found));
    }
    expect([...leaks]).toEqual([]);
  });
});

/** With content on there are messages and tools, which have names and ids too. */
const NAMES_WITH_CONTENT = [
  "request.messages.#.role",
  "request.messages.#.parts.#.id",
  "request.messages.#.parts.#.name",
  "request.messages.#.parts.#.fileId",
  "request.messages.#.parts.#.kind",
  "request.tools.#.name",
  "request.tools.#.type",
  "response.choices.#.message.parts.#.mimeType",
];

/** What the model gives a tool is called so too. */
const isArguments = (path: string): boolean => path === "input";

describe("with one side off", () => {
  it("excludeInput: nothing that the app sent passes", () => {
    const sent: Choose = ({ side, path }) => side === "request" && !isProtocol(path);
    expectOnly(() => false, { excludeInput: true }, sent, sentence);
    expectOnly(({ at }) => at === "request.model", { excludeInput: true }, sent, word);
  });

  it("excludeInput: nor what the provider repeats of it", () => {
    const echo =
      /^(?:response\.)?(?:instructions|input|metadata|user|safety_identifier|prompt|prompt_cache_key|tools|text\.format|conversation|chat_history|documents|texts|thread_id|additional_instructions)(?:\.|$)/;
    const repeated: Choose = ({ side, path }) =>
      side === "response" && echo.test(path) && !isProtocol(path) && !isArguments(path);
    expectOnly(() => false, { excludeInput: true }, repeated, sentence);
  });

  it("excludeOutput: nothing that the model said passes", () => {
    const said: Choose = ({ side, path }) => side === "response" && !isProtocol(path);
    expectOnly(() => false, { excludeOutput: true }, said, sentence);
    expectOnly(({ at }) => NAMES.includes(at), { excludeOutput: true }, said, word);
  });

  it("excludeOutput: nor what the app sends back of it", () => {
    const models = /^(?:assistant|model|chatbot|ai|bot)$/i;
    const made =
      /^(?:function_call|custom_tool_call|reasoning|web_search_call|file_search_call|code_interpreter_call|computer_call|mcp_call|tool_use|server_tool_use|tool-call|thinking|redacted_thinking|function_call|thought|message\.output|model_output)$/;
    const isModels = (owner: object): boolean => {
      const { role, type } = owner as { role?: unknown; type?: unknown };
      return (typeof role === "string" && models.test(role)) || (typeof type === "string" && made.test(type));
    };
    const sentBack: Choose = ({ side, path, owners }) =>
      side === "request" && !isProtocol(path) && owners.some(isModels);
    expectOnly(() => false, { excludeOutput: true }, sentBack, sentence);
  });
});

describe("a prompt that comes back before its completion", () => {
  const prompt = "Tell me of the zebra that crossed";
  it.each([
    ["openai-completions", { prompt, echo: true }, { choices: [{ index: 0, text: `${prompt} the road.` }] }],
    ["hf-task", { inputs: prompt }, [{ generated_text: `${prompt} the road.` }]],
    ["tgi", { inputs: prompt, parameters: { return_full_text: true } }, { generated_text: `${prompt} the road.` }],
  ] as const)("is not there with excludeInput: %s", (api, request, response) => {
    const host = `${api}.example`;
    const call = parseExchange(
      {
        request: { method: "POST", url: `https://${host}/generate`, body: JSON.stringify(request) },
        response: { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(response) },
      },
      { hosts: { [host]: { provider: "custom", api } }, excludeInput: true },
    );
    expect(JSON.stringify(call)).not.toContain("zebra");
    expect(JSON.stringify(call)).toContain("the road");
  });

  it("nor a passage of a document that the model cites", () => {
    const passage = "The zebra has stripes of its own.";
    const call = parseExchange(
      {
        request: {
          method: "POST",
          url: "https://api.anthropic.com/v1/messages",
          body: JSON.stringify({
            model: "m",
            messages: [
              {
                role: "user",
                content: [
                  {
                    type: "document",
                    title: "Of zebras and horses",
                    source: { type: "text", media_type: "text/plain", data: `Horses. ${passage} Donkeys.` },
                    citations: { enabled: true },
                  },
                  { type: "text", text: "What of the stripes?" },
                ],
              },
            ],
          }),
        },
        response: {
          status: 200,
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            id: "msg_1",
            type: "message",
            role: "assistant",
            content: [
              {
                type: "text",
                text: "They are its own.",
                citations: [
                  {
                    type: "char_location",
                    cited_text: passage,
                    document_index: 0,
                    document_title: "Of zebras and horses",
                  },
                ],
              },
            ],
          }),
        },
      },
      { excludeInput: true },
    );
    expect(JSON.stringify(call)).toContain("They are its own.");
    expect(JSON.stringify(call)).not.toContain("zebra");
  });
});
