/**
 * The peers, set up as their documentation says, with content on where that is a choice. What they would send is made,
 * and then dropped in the process: instead of their exporter or their fetch there is one that looks whether model and
 * tokens are in it.
 */
import process from "node:process";
import { installPeers } from "./install.mjs";
import { createSpanCounter } from "./span-counter.mjs";

const { load } = await import(installPeers());
const nowhere = "http://127.0.0.1:9";
const answer = (body, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

async function setUpPostHog() {
  const { OpenAI } = await load("@posthog/ai/openai");
  const { PostHog } = await load("posthog-node");
  let recorded = 0;
  const client = new PostHog("phc_bench", { host: nowhere, fetch: () => Promise.resolve(answer({ status: "Ok" })) });
  const capture = client.capture.bind(client);
  client.capture = (event) => {
    if (event.properties?.$ai_input_tokens > 0 && event.properties?.$ai_model) recorded += 1;
    return capture(event);
  };
  return {
    makeClient: (options) => new OpenAI({ ...options, posthog: client }),
    finish: () => client.flush(),
    countRecorded: () => recorded,
  };
}

async function setUpLangfuse() {
  const { observeOpenAI } = await load("@langfuse/openai");
  const { LangfuseSpanProcessor } = await load("@langfuse/otel");
  const { NodeTracerProvider } = await load("@opentelemetry/sdk-trace-node");
  const counter = createSpanCounter({
    model: ["langfuse.observation.model.name"],
    tokens: ["langfuse.observation.usage_details"],
  });
  const processor = new LangfuseSpanProcessor({
    exporter: counter.exporter,
    publicKey: "pk-lf-bench",
    secretKey: "sk-lf-bench",
    baseUrl: nowhere,
  });
  new NodeTracerProvider({ spanProcessors: [processor] }).register();
  return {
    wrap: (client) => observeOpenAI(client),
    finish: () => processor.forceFlush(),
    countRecorded: counter.count,
  };
}

/** It patches the SDK when that is imported. */
async function setUpSentry() {
  const Sentry = await load("@sentry/node");
  let recorded = 0;
  const countSpan = (data) => {
    if (data?.["gen_ai.usage.input_tokens"] > 0 && data["gen_ai.request.model"]) recorded += 1;
  };
  /** @see https://develop.sentry.dev/sdk/data-model/envelopes/ */
  function countEnvelope([, items]) {
    for (const [, payload] of items) {
      countSpan(payload?.contexts?.trace?.data);
      for (const span of payload?.spans ?? []) countSpan(span.data);
      for (const span of payload?.items ?? []) countSpan(readAttributes(span.attributes));
    }
  }
  Sentry.init({
    dsn: "https://public@127.0.0.1/1",
    tracesSampleRate: 1,
    sendDefaultPii: true,
    transport: () => ({
      send(envelope) {
        countEnvelope(envelope);
        return Promise.resolve({ statusCode: 200 });
      },
      flush: () => Promise.resolve(true),
    }),
  });
  return {
    finish: () => Sentry.flush(10_000),
    countRecorded: () => recorded,
  };
}

function readAttributes(attributes = {}) {
  return Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, value?.value ?? value]));
}

/** Instrumentations that patch the classes of the SDK. */
async function setUpSpans(names, instrument) {
  const { NodeTracerProvider } = await load("@opentelemetry/sdk-trace-node");
  const { BatchSpanProcessor } = await load("@opentelemetry/sdk-trace-base");
  const counter = createSpanCounter(names);
  const processor = new BatchSpanProcessor(counter.exporter, { maxQueueSize: 100_000 });
  const provider = new NodeTracerProvider({ spanProcessors: [processor] });
  provider.register();
  await instrument(provider, await import("openai"));
  return { finish: () => processor.forceFlush(), countRecorded: counter.count };
}

const GEN_AI = {
  model: ["gen_ai.request.model", "gen_ai.response.model"],
  tokens: ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"],
};

function setUpOpenTelemetry() {
  return setUpSpans(GEN_AI, async (provider, sdk) => {
    const { OpenAIInstrumentation } = await load("@opentelemetry/instrumentation-openai");
    const { metrics } = await load("@opentelemetry/api");
    const instrumentation = new OpenAIInstrumentation({ captureMessageContent: true });
    instrumentation.setTracerProvider(provider);
    instrumentation.setMeterProvider(metrics.getMeterProvider());
    // What its hook of the module loader does.
    instrumentation.getModuleDefinitions()[0].patch(sdk, "6.49.0");
  });
}

function setUpOpenLlmetry() {
  return setUpSpans(GEN_AI, async (provider, sdk) => {
    const { OpenAIInstrumentation } = await load("@traceloop/instrumentation-openai");
    const instrumentation = new OpenAIInstrumentation();
    instrumentation.setTracerProvider(provider);
    instrumentation.manuallyInstrument(sdk.default);
  });
}

function setUpOpenInference() {
  const names = { model: ["llm.model_name"], tokens: ["llm.token_count.prompt"] };
  return setUpSpans(names, async (provider, sdk) => {
    const { OpenAIInstrumentation } = await load("@arizeai/openinference-instrumentation-openai");
    const instrumentation = new OpenAIInstrumentation({ tracerProvider: provider });
    instrumentation.setTracerProvider(provider);
    instrumentation.manuallyInstrument(sdk.default);
  });
}

async function setUpLangSmith() {
  process.env.LANGSMITH_TRACING = "true";
  const { Client } = await load("langsmith");
  const { wrapOpenAI } = await load("langsmith/wrappers");
  let recorded = 0;
  const client = new Client({
    apiKey: "lsv2_bench",
    apiUrl: nowhere,
    fetchImplementation: () => Promise.resolve(answer({})),
  });
  const updateRun = client.updateRun.bind(client);
  client.updateRun = (id, run, ...rest) => {
    const tokens = run.outputs?.usage_metadata?.input_tokens ?? run.extra?.metadata?.usage_metadata?.input_tokens;
    if (tokens > 0) recorded += 1;
    return updateRun(id, run, ...rest);
  };
  return {
    wrap: (openai) => wrapOpenAI(openai, { client, tracingEnabled: true }),
    finish: () => client.awaitPendingTraceBatches(),
    countRecorded: () => recorded,
  };
}

async function setUpBraintrust() {
  const { initLogger, wrapOpenAI } = await load("braintrust");
  let recorded = 0;
  const ORG = { id: "o", name: "bench", api_url: nowhere, proxy_url: nowhere };
  const logger = initLogger({
    projectName: "bench",
    projectId: "00000000-0000-4000-8000-000000000000",
    apiKey: "sk-bench",
    appUrl: nowhere,
    orgName: "bench",
    asyncFlush: true,
    fetch(url, init) {
      const path = String(url?.url ?? url);
      if (path.includes("login")) return Promise.resolve(answer({ org_info: [ORG] }));
      if (path.includes("project")) return Promise.resolve(answer({ project: { id: "p", name: "bench" } }));
      if (path.includes("logs3") && typeof init?.body === "string") recorded += countRows(init.body);
      return Promise.resolve(answer({}));
    },
  });
  return { wrap: (client) => wrapOpenAI(client), finish: () => logger.flush(), countRecorded: () => recorded };
}

/** Counted as text: to parse it all would be work that is not theirs. */
function countRows(body) {
  return body.split('"prompt_tokens":').length - 1;
}

/** @type {Record<string, (port: number) => Promise<object>>} */
export const PEERS = {
  PostHog: setUpPostHog,
  Langfuse: setUpLangfuse,
  Sentry: setUpSentry,
  OpenTelemetry: setUpOpenTelemetry,
  OpenLLMetry: setUpOpenLlmetry,
  OpenInference: setUpOpenInference,
  LangSmith: setUpLangSmith,
  Braintrust: setUpBraintrust,
};
