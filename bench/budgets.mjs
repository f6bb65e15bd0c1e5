/** What the end-to-end numbers must stay within. */

const RATIO = 1.03;
const STREAMS = 1000;

/** Each takes a row that was compared to bare. */
const BUDGETS = [
  ...["json-1", "json-32", "request-100k", "stream-200-1", "stream-200-16"].flatMap((scenario) => [
    { scenario, work: "CPU, ×", budget: RATIO, read: (row) => row.cpu },
    { scenario, work: "wall time, ×", budget: RATIO, read: (row) => row.wall },
  ]),
  { scenario: "stream-200-1", work: "first chunk p50, ms over bare", budget: 0.1, read: (row) => row.firstP50 },
  { scenario: "stream-200-16", work: "first chunk p99, ms over bare", budget: 1, read: (row) => row.firstP99 },
  ...["text-10m", "image-10m", "stream-200-100"].map((scenario) => ({
    scenario,
    work: "longest block of the event loop, ms over bare",
    budget: 2,
    read: (row) => row.loopMaxOver,
  })),
  {
    scenario: "slow-1000",
    work: "peak memory, KB a stream over bare",
    budget: 32,
    read: ({ rssOver }) =>
      rssOver && { value: (rssOver.value * 1024) / STREAMS, noise: (rssOver.noise * 1024) / STREAMS },
  },
];

/** @param {string} scenario */
export function hasBudget(scenario) {
  return BUDGETS.some((entry) => entry.scenario === scenario);
}

/** @param rows of `compareToBare` */
export function listBudgets(rows) {
  return BUDGETS.flatMap(({ scenario, work, budget, read }) =>
    rows
      .filter((row) => row.scenario === scenario && (row.variant === "tap.fetch" || row.variant === "install()"))
      .map((row) => ({ row, measured: read(row) }))
      .filter(({ measured }) => measured !== undefined)
      .map(({ row, measured }) => ({
        work: `${row.title}: ${work}`,
        variant: row.variant,
        measured,
        budget,
        met: measured.value - (measured.noise || 0) <= budget ? "yes" : "NO",
      })),
  );
}
