/** The pages of the documentation, and what the tests look at in them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../../", import.meta.url));

export interface Page {
  /** Relative to the package. */
  path: string;
  text: string;
}

export interface CodeBlock {
  language: string;
  code: string;
  /** The heading above it. */
  heading: string;
  line: number;
}

export function readPages(): Page[] {
  const top = readdirSync(root).filter((name) => name.endsWith(".md"));
  const docs = existsSync(`${root}docs`) ? readdirSync(`${root}docs`).map((name) => `docs/${name}`) : [];
  return [...top, ...docs]
    .filter((path) => path.endsWith(".md"))
    .map((path) => ({ path, text: readFileSync(root + path, "utf8") }));
}

export function readPage(path: string): string {
  return readFileSync(root + path, "utf8");
}

export function listCodeBlocks(text: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: CodeBlock | undefined;
  let heading = "";
  for (const [index, line] of text.split("\n").entries()) {
    if (line.startsWith("```")) {
      if (open === undefined) open = { language: line.slice(3).trim(), code: "", heading, line: index + 2 };
      else {
        blocks.push(open);
        open = undefined;
      }
    } else if (open !== undefined) open.code += `${line}\n`;
    else if (/^#+ /.test(line)) heading = line.replace(/^#+ /, "");
  }
  return blocks;
}

/** Rows of the first table under a heading, without its head; cells trimmed. */
export function readTable(text: string, heading: string): string[][] {
  const section = text.split(`\n## ${heading}\n`)[1] ?? "";
  const rows = (section.split(/\n## /)[0] ?? "").split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

/** As GitHub makes them. */
export function listAnchors(text: string): Set<string> {
  const headings = text.replaceAll(/^```[^]*?^```/gm, "").match(/^#+ .*$/gm) ?? [];
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, "")
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
