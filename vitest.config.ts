import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { createSkipCounter } from "./test/skip-count.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  resolve: { alias: { "#platform": path("./src/platform/node.ts") } },
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", createSkipCounter()],
    setupFiles: ["test/check-stats.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests with sockets, garbage collection and child processes share two noisy cores; a real fault fails each time.
    retry: process.env["CI"] === undefined ? 0 : 2,
    coverage: { include: ["src/**"], provider: "v8" },
  },
});
