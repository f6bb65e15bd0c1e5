/** The worker's module as JavaScript: threads don't run TypeScript everywhere. */
import { execFile } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface BuiltWorker {
  entry: URL;
  /** Another thread, made of this text. */
  write(name: string, text: string): URL;
  remove(): void;
}

export async function buildWorker(): Promise<BuiltWorker> {
  const directory = fs.mkdtempSync(join(fs.realpathSync(tmpdir()), "llm-tap-worker-"));
  fs.copyFileSync(join(root, "package.json"), join(directory, "package.json"));
  fs.symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  const config = {
    extends: join(root, "tsconfig.build.json"),
    compilerOptions: {
      outDir: join(directory, "dist"),
      rootDir: join(root, "src"),
      declaration: false,
      isolatedDeclarations: false,
      declarationMap: false,
      sourceMap: false,
      typeRoots: [join(root, "node_modules/@types")],
    },
    include: [],
    files: ["pipeline/worker-entry.ts", "platform/node.ts"].map((file) => join(root, "src", file)),
  };
  fs.writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  await new Promise<void>((resolve, reject) => {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    execFile(process.execPath, [tsc, "-p", join(directory, "tsconfig.json")], (error, stdout) =>
      error ? reject(new Error(stdout)) : resolve(),
    );
  });
  return {
    entry: pathToFileURL(join(directory, "dist/pipeline/worker-entry.js")),
    write(name, text) {
      const file = join(directory, name);
      fs.writeFileSync(file, text);
      return pathToFileURL(file);
    },
    remove: () => fs.rmSync(directory, { recursive: true, force: true }),
  };
}
