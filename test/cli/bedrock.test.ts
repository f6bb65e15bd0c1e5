import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  InvokeModelCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { EventStreamCodec } from "@smithy/eventstream-codec";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";
import { fromUtf8, toUtf8 } from "@smithy/util-utf8";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { outputText } from "../../src/read-call.ts";
import { memorySink } from "../../src/sinks/memory.ts";
import { createTap, type Tap } from "../../src/tap.ts";

const MODEL = "anthropic.claude-3-5-sonnet-20240620-v1:0";
const USAGE = { inputTokens: 9, outputTokens: 4, totalTokens: 13 };
const CONVERSED = {
  output: { message: { role: "assistant", content: [{ text: "Good day." }] } },
  stopReason: "end_turn",
  usage: USAGE,
  metrics: { latencyMs: 12 },
};
const INVOKED = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-3-5-sonnet-20240620",
  content: [{ type: "text", text: "Good day." }],
  stop_reason: "end_turn",
  usage: { input_tokens: 9, output_tokens: 4 },
};

const codec = new EventStreamCodec(toUtf8, fromUtf8);

function encodeEvent(type: string, payload: object): Uint8Array {
  return codec.encode({
    headers: {
      ":event-type": { type: "string", value: type },
      ":content-type": { type: "string", value: "application/json" },
      ":message-type": { type: "string", value: "event" },
    },
    body: fromUtf8(JSON.stringify(payload)),
  });
}

const STREAMED = Buffer.concat([
  encodeEvent("messageStart", { role: "assistant" }),
  encodeEvent("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Good " } }),
  encodeEvent("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "day." } }),
  encodeEvent("contentBlockStop", { contentBlockIndex: 0 }),
  encodeEvent("messageStop", { stopReason: "end_turn" }),
  encodeEvent("metadata", { usage: USAGE, metrics: { latencyMs: 12 } }),
]);

const bodies: Record<string, [type: string, body: string | Buffer]> = {
  converse: ["application/json", JSON.stringify(CONVERSED)],
  "converse-stream": ["application/vnd.amazon.eventstream", STREAMED],
  invoke: ["application/json", JSON.stringify(INVOKED)],
};

let server: Server;
let port = 0;
let sink = memorySink();
let tap: Tap;

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on("end", () => {
      const [type, body] = bodies[(request.url ?? "").split("/").at(-1) ?? ""] ?? ["text/plain", ""];
      response.writeHead(200, { "content-type": type, "x-amzn-requestid": "r-1" }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
afterEach(() => tap.close());

function installTap(atPort: number): void {
  sink = memorySink();
  tap = createTap({ sinks: [sink], hosts: { [`127.0.0.1:${atPort}`]: { provider: "aws.bedrock" } } });
  tap.install();
}

/** As `llm-tap doctor` says, or with the handler that the SDK brings. */
function createClient(atPort: number, requestHandler?: FetchHttpHandler): BedrockRuntimeClient {
  return new BedrockRuntimeClient({
    region: "us-east-1",
    endpoint: `http://127.0.0.1:${atPort}`,
    credentials: { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "example" },
    maxAttempts: 1,
    ...(requestHandler !== undefined && { requestHandler }),
  });
}

const messages = [{ role: "user" as const, content: [{ text: "Say good day." }] }];
const seen = {
  provider: "aws.bedrock",
  outcome: "success",
  request: { model: MODEL },
  response: { requestId: "r-1" },
  usage: { source: "reported", inputTokens: 9, outputTokens: 4 },
};

describe("Bedrock's SDK with a request handler that calls fetch", () => {
  it("shows a Converse call", async () => {
    installTap(port);
    const answer = await createClient(port, new FetchHttpHandler()).send(
      new ConverseCommand({ modelId: MODEL, messages }),
    );
    expect(answer.output?.message?.content).toEqual([{ text: "Good day." }]);
    await tap.flush();
    expect(sink.calls).toMatchObject([{ ...seen, api: "bedrock-converse", streaming: false }]);
    expect(sink.calls.map((call) => outputText(call))).toEqual(["Good day."]);
    expect(JSON.stringify(sink.calls)).not.toMatch(/AKIAEXAMPLE|Signature/);
  });

  it("shows a ConverseStream call, and the app gets all of it", async () => {
    installTap(port);
    const { stream } = await createClient(port, new FetchHttpHandler()).send(
      new ConverseStreamCommand({ modelId: MODEL, messages }),
    );
    const events = [];
    for await (const event of stream ?? []) events.push(Object.keys(event)[0]);
    expect(events).toEqual([
      "messageStart",
      "contentBlockDelta",
      "contentBlockDelta",
      "contentBlockStop",
      "messageStop",
      "metadata",
    ]);
    await tap.flush();
    expect(sink.calls).toMatchObject([{ ...seen, api: "bedrock-converse", streaming: true }]);
    expect(sink.calls.map((call) => outputText(call))).toEqual(["Good day."]);
  });

  it("shows an InvokeModel call", async () => {
    installTap(port);
    const body = JSON.stringify({ anthropic_version: "bedrock-2023-05-31", max_tokens: 10, messages });
    const answer = await createClient(port, new FetchHttpHandler()).send(
      new InvokeModelCommand({ modelId: MODEL, body, contentType: "application/json" }),
    );
    expect(JSON.parse(new TextDecoder().decode(answer.body))).toEqual(INVOKED);
    await tap.flush();
    expect(sink.calls).toMatchObject([{ ...seen, api: "bedrock-invoke" }]);
  });
});

describe("Bedrock's SDK as it comes", () => {
  it("speaks HTTP/2 past the tap, undisturbed", async () => {
    const http2 = createHttp2Server((request, response) => {
      request.resume().on("end", () => {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(CONVERSED));
      });
    });
    await new Promise<void>((resolve) => http2.listen(0, "127.0.0.1", resolve));
    const { port: http2Port } = http2.address() as AddressInfo;
    const client = createClient(http2Port);
    try {
      installTap(http2Port);
      const answer = await client.send(new ConverseCommand({ modelId: MODEL, messages }));
      expect(answer.stopReason).toBe("end_turn");
      await tap.flush();
      expect(sink.calls).toEqual([]);
    } finally {
      client.destroy();
      await new Promise((resolve) => http2.close(resolve));
    }
  });
});
