/** `llm-tap/testing`: servers, suites and comparisons for the tests of a sink or of an app. */
export {
  type FakeAmplitude,
  type FakeAmplitudeEvent,
  type FakeAmplitudeFault,
  type FakeAmplitudeOptions,
  type FakeAmplitudeRequest,
  type FaultRequest,
  type FaultScript,
  startFakeAmplitude,
} from "./fake-amplitude.ts";
export {
  type MockProviders,
  type MockProvidersOptions,
  type ReceivedRequest,
  startMockProviders,
} from "./mock-providers.ts";
export { compareCall } from "./mock/expect.ts";
export type { MeasuredTiming } from "./mock/play.ts";
export type {
  ExpectedCall,
  MockFault,
  MockHttpError,
  MockProvider,
  MockRawBody,
  MockReply,
  MockTiming,
  MockToolCall,
  MockUsage,
} from "./mock/types.ts";
export {
  type ReplayExchange,
  type ReplayServer,
  type ReplayServerOptions,
  startReplayServer,
} from "./replay-server.ts";
export {
  type SampleCall,
  sampleCall,
  sampleErrorCall,
  sampleMetadataCall,
  sampleRecords,
  type SampleSpan,
  sampleSpan,
} from "./sample-records.ts";
export { type SinkSubject, type TestFunctions, testSink } from "./sink-contract.ts";
