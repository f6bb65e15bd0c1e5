import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findCopies, findPackage } from "../../src/cli/doctor/packages.ts";

let directory = "";

beforeEach(() => {
  directory = fs.mkdtempSync(join(tmpdir(), "llm-tap-packages-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

function put(path: string, manifest: object | string): void {
  fs.mkdirSync(join(directory, path), { recursive: true });
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  fs.writeFileSync(join(directory, path, "package.json"), text);
}

describe("findPackage", () => {
  it("finds what an import would give: the nearest copy upwards", () => {
    put("node_modules/openai", { name: "openai", version: "5.0.0", dependencies: { a: "1" } });
    put("app/node_modules/openai", { name: "openai", version: "6.1.0" });
    put("node_modules/@scope/name", { name: "@scope/name", version: "1.2.3" });
    expect(findPackage("openai", join(directory, "app/src"))).toMatchObject({
      version: "6.1.0",
      path: "../node_modules/openai",
      dependencies: [],
    });
    expect(findPackage("openai", join(directory, "other"))).toMatchObject({ version: "5.0.0", dependencies: ["a"] });
    expect(findPackage("@scope/name", directory)).toMatchObject({ name: "@scope/name", version: "1.2.3" });
    expect(findPackage("nothing-of-the-kind", directory)).toBeUndefined();
  });

  it.each([
    ["no JSON", "{"],
    ["no version", { name: "x" }],
    ["null", "null"],
    ["a list", "[]"],
  ])("takes a package.json that is %s for no package", (_name, manifest) => {
    put("node_modules/x", manifest);
    expect(findPackage("x", directory)).toBeUndefined();
  });
});

describe("findCopies", () => {
  it("finds nested copies, those of pnpm and those under another name, the nearest first", () => {
    put("node_modules/undici", { name: "undici", version: "7.0.0" });
    put("node_modules/sdk/node_modules/undici", { name: "undici", version: "6.0.0" });
    put("node_modules/@scope/sdk/node_modules/undici", { name: "undici", version: "6.1.0" });
    put("node_modules/.pnpm/undici@5.0.0/node_modules/undici", { name: "undici", version: "5.0.0" });
    put("node_modules/undici8", { name: "undici", version: "8.0.0" });
    put("node_modules/undici-types", { name: "undici-types", version: "6.0.0" });
    const versions = findCopies("undici", directory).map(({ version }) => version);
    expect(versions[0]).toBe("7.0.0");
    expect(versions.toSorted()).toEqual(["5.0.0", "6.0.0", "6.1.0", "7.0.0", "8.0.0"]);
  });

  it("goes through links that lead in circles once", () => {
    put("packages/a", { name: "a", version: "1.0.0" });
    put("node_modules/undici", { name: "undici", version: "7.0.0" });
    fs.mkdirSync(join(directory, "packages/a/node_modules"));
    fs.symlinkSync(join(directory, "packages/a"), join(directory, "node_modules/a"));
    fs.symlinkSync(join(directory, "node_modules/a"), join(directory, "packages/a/node_modules/a"));
    fs.symlinkSync(join(directory, "node_modules/undici"), join(directory, "packages/a/node_modules/undici"));
    expect(findCopies("undici", directory)).toHaveLength(1);
  });

  it("finds none where there is nothing", () => {
    expect(findCopies("undici-of-nobody", join(directory, "missing"))).toEqual([]);
  });
});
