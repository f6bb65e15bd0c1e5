/** The device that stands for a service in Amplitude. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";

/** Platforms that name what they run; the first that is set wins. */
const NAME_VARIABLES = ["OTEL_SERVICE_NAME", "AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE", "WEBSITE_SITE_NAME"] as const;

/**
 * A hash of host and application name: the same for every call, process and restart of a service on a host, and no name
 * leaves the host. Where host names come and go (containers), set the option `deviceId` instead.
 */
export function defaultDeviceId(): string {
  return createHash("sha256").update(`${hostname()}\n${applicationName()}`).digest("hex").slice(0, 32);
}

function applicationName(): string {
  for (const variable of NAME_VARIABLES) {
    const value = process.env[variable];
    if (value !== undefined && value !== "") return value;
  }
  const script = process.argv[1] ?? "node";
  return nearestPackageName(dirname(script)) ?? basename(script);
}

function nearestPackageName(start: string): string | undefined {
  for (let directory = start; ; directory = dirname(directory)) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
      const name = (manifest as { name?: unknown } | null)?.name;
      if (typeof name === "string" && name !== "") return name;
    } catch {
      // None here, or none that can be read.
    }
    if (directory === dirname(directory)) return undefined;
  }
}
