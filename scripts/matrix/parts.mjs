// What the matrix runs, and in which order when there is no time for all of it.

export const SUITE = ["test/interception", "test/interceptor", "test/tap", "test/exits", "test/register", "test/cli"];

/** The undici that is in each Node: where a difference between them shows first. */
const BUNDLED = { 20: 6, 22: 6, 24: 7, 26: 8 };
const grid = (undici) => `test/interception/grid/undici-${undici}.test.ts`;

/** `seconds`: on a quiet machine with two cores. */
export const PARTS = [
  {
    name: "hooks and interplay",
    seconds: 20,
    files: () => [
      "test/interception/hooks.test.ts",
      "test/interception/interplay.test.ts",
      "test/interception/two-copies.test.ts",
      "test/interception/http2.test.ts",
      "test/interception/others-fetch.test.ts",
      "test/tap/exit-paths.test.ts",
    ],
  },
  { name: "grid, the undici of this Node", seconds: 35, files: (version) => [grid(BUNDLED[version] ?? 8)] },
  {
    name: "ends of calls",
    seconds: 30,
    files: () => ["test/exits/app-ends.test.ts", "test/exits/wire-faults.test.ts"],
  },
  {
    name: "grid, the other undicis",
    seconds: 70,
    files: (version) => [6, 7, 8].filter((undici) => undici !== (BUNDLED[version] ?? 8)).map(grid),
  },
  { name: "register", seconds: 60, files: () => ["test/register"] },
  {
    name: "the rest",
    seconds: 60,
    files: () => [
      "test/interceptor",
      "test/interception/undici-interceptors.test.ts",
      "test/exits/leaks.test.ts",
      "test/tap/fault-injection.test.ts",
      "test/tap/gateways.test.ts",
      "test/tap/jobs.test.ts",
      "test/tap/lying-bodies.test.ts",
      "test/tap/tap.test.ts",
      "test/cli",
    ],
  },
];
