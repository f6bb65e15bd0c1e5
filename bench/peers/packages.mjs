/** What is installed of the peers: exact versions, so that numbers of different days can be compared. */
export const PACKAGES = {
  "@arizeai/openinference-instrumentation-openai": "4.2.7",
  "@langfuse/openai": "5.11.1",
  "@langfuse/otel": "5.11.1",
  "@langfuse/tracing": "5.11.1",
  "@opentelemetry/api": "1.9.0",
  "@opentelemetry/instrumentation-openai": "0.21.0",
  "@opentelemetry/sdk-trace-base": "2.12.1",
  "@opentelemetry/sdk-trace-node": "2.12.1",
  "@posthog/ai": "8.13.1",
  "@sentry/node": "11.12.0",
  "@traceloop/instrumentation-openai": "0.27.0",
  braintrust: "3.35.0",
  langsmith: "0.12.0",
  openai: "6.49.0",
  "posthog-node": "5.70.0",
};
