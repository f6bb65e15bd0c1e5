/**
 * Real SDKs, tapped, to Amplitude. `npm run demo` needs no key and no network; `npm run demo -- --live` calls the
 * providers whose keys are in OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY and sends to AMPLITUDE_API_KEY.
 * `--seed N` gives other replies. Exits with 0 only if every call gave the right record, nothing on the wire or in the
 * app differed from a run without the tap, and every event arrived.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runLive } from "./demo/live.mjs";
import { runMocked } from "./demo/mocked.mjs";
import { printTable } from "./demo/table.mjs";

const { values } = parseArgs({
  options: { live: { type: "boolean", default: false }, seed: { type: "string", default: "1" } },
});

const {
  rows,
  problems,
  skipped = [],
} = values.live ? await runLive({ environment: process.env }) : await runMocked({ seed: Number(values.seed) });

printTable(rows);
for (const reason of skipped) console.log(`skipped  ${reason}`);
for (const problem of problems) console.log(`✗ ${problem}`);
if (problems.length === 0) {
  console.log(
    values.live
      ? `\n${rows.length} calls: each record agrees with what its SDK reported.`
      : `\n${rows.length} calls: every record is right, every request was byte for byte that of an untapped run, every event arrived once.`,
  );
}
process.exitCode = problems.length === 0 ? 0 : 1;
