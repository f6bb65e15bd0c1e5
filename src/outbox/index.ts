/** `llm-tap/outbox`: delivery that survives crashes, restarts and destinations that are down. */
export { durable, type DurableSink, type OutboxStats } from "./durable.ts";
export type { DurableOptions } from "./options.ts";
export type { SenderCounts } from "./sender.ts";
