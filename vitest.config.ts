import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  resolve: { alias: { "#platform": path("./src/platform/node.ts") } },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 20_000,
    coverage: { include: ["src/**"], provider: "v8" },
  },
});
