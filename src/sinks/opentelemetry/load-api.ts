/** OpenTelemetry's API, loaded when the first record comes: it is the app's, and may not be there. */
import type * as OtelApi from "@opentelemetry/api";
import { TapError } from "../../errors.ts";
import type { OtelLoggerProvider } from "./options.ts";

export type { OtelApi };

/** @throws TapError `missing_dependency` */
export async function loadApi(
  load: () => Promise<typeof OtelApi> = () => import("@opentelemetry/api"),
): Promise<typeof OtelApi> {
  try {
    return await load();
  } catch (error) {
    throw new TapError(
      "missing_dependency",
      'opentelemetrySink needs the package "@opentelemetry/api", which can\'t be loaded. ' +
        "Install it with the SDK that exports (npm install @opentelemetry/api @opentelemetry/sdk-node).",
      { cause: error },
    );
  }
}

/** The registered provider of loggers. `undefined` where the app has no API for logs: then there are no events. */
export async function findLoggerProvider(api: typeof OtelApi): Promise<OtelLoggerProvider | undefined> {
  // From 1.10 on, logs are part of the API.
  const { logs } = api as { logs?: { getLoggerProvider(): OtelLoggerProvider } };
  if (logs !== undefined) return logs.getLoggerProvider();
  try {
    // A name in a variable: the package is the app's, and its types are not needed.
    const name = "@opentelemetry/api-logs";
    const module = (await import(name)) as { logs: { getLoggerProvider(): OtelLoggerProvider } };
    return module.logs.getLoggerProvider();
  } catch {
    return undefined;
  }
}

/** @returns `forceFlush` of the SDK's provider, which may be behind the API's proxy. */
export function findFlush(provider: object): (() => Promise<void>) | undefined {
  const target = findDelegate(provider) as { forceFlush?: () => Promise<void> };
  const { forceFlush } = target;
  return typeof forceFlush === "function" ? () => forceFlush.call(target) : undefined;
}

/** The proxy of traces and that of logs spell it differently. */
function findDelegate(provider: object): object {
  for (const name of ["getDelegate", "_getDelegate"] as const) {
    const method = (provider as Record<string, unknown>)[name];
    if (typeof method === "function") return method.call(provider) as object;
  }
  return provider;
}
