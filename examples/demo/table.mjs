/** Prints rows as a table of plain text. */

const columns = [
  ["call", ({ flow }) => flow.name],
  ["via", ({ flow }) => flow.via],
  ["provider", (_row, call) => call?.provider],
  ["model", (_row, call) => call?.response?.model ?? call?.request.model],
  ["outcome", (_row, call) => call?.outcome],
  ["in", (_row, call) => call?.usage.inputTokens, "right"],
  ["out", (_row, call) => call?.usage.outputTokens, "right"],
  ["cached", (_row, call) => call?.usage.cacheReadTokens, "right"],
  ["cost $", (_row, call) => call?.cost?.totalUsd.toFixed(6), "right"],
  ["first token", (_row, call) => milliseconds(call?.timing.firstTokenMs), "right"],
  ["latency", (_row, call) => milliseconds(call?.timing.durationMs), "right"],
  ["Amplitude", ({ arrived }, _call, index) => arrivedText(arrived?.[index])],
  ["", ({ problems }) => (problems.length === 0 ? "✓" : "✗")],
];

export function printTable(rows) {
  const lines = rows.flatMap((row) =>
    (row.calls.length === 0 ? [undefined] : row.calls).map((call, index) => [row, call, index]),
  );
  const cells = lines.map((line) => columns.map(([, read]) => String(read(...line) ?? "–")));
  const widths = columns.map(([title], index) => Math.max(title.length, ...cells.map((line) => line[index].length)));
  const format = (line) =>
    line
      .map((cell, index) => (columns[index][2] === "right" ? cell.padStart(widths[index]) : cell.padEnd(widths[index])))
      .join("  ")
      .trimEnd();
  console.log(format(columns.map(([title]) => title)));
  console.log(widths.map((width) => "─".repeat(width)).join("  "));
  for (const line of cells) console.log(format(line));
}

function milliseconds(value) {
  return value === undefined ? undefined : `${Math.round(value)} ms`;
}

function arrivedText(count) {
  if (count === undefined) return undefined;
  return count === 1 ? "received" : `${count} times`;
}
