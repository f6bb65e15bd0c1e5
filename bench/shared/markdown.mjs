/** Tables for `docs/benchmarks.md`. */

/** @param columns `[title, (row) => cell][]` */
export function makeTable(rows, columns) {
  const lines = [
    `| ${columns.map(([title]) => title).join(" | ")} |`,
    `| ${columns.map(([, , align]) => (align === "left" ? "---" : "---:")).join(" | ")} |`,
  ];
  for (const row of rows) lines.push(`| ${columns.map(([, cell]) => cell(row)).join(" | ")} |`);
  return lines.join("\n");
}

export function formatNumber(value, digits = 1) {
  return typeof value === "number" && Number.isFinite(value)
    ? value.toLocaleString("en-US", { maximumFractionDigits: digits })
    : "–";
}
