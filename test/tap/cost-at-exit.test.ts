/** Of the package as it is built: sources load nothing at once. */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { expect, it } from "vitest";

const index = new URL("../../dist/index.js", import.meta.url).href;

const SCRIPT = `
import { writeSync } from "node:fs";
import { createServer } from "node:http";
import { createTap } from ${JSON.stringify(index)};
const answer = {
  id: "chatcmpl-1", object: "chat.completion", model: "gpt-4o-mini-2024-07-18",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
};
const server = createServer((_, response) => {
  response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const host = "127.0.0.1:" + server.address().port;
const tap = createTap({
  hosts: { [host]: { provider: "openai" } },
  onCall: ({ outcome, cost }) => writeSync(1, JSON.stringify({ outcome, totalUsd: cost?.totalUsd })),
});
const body = JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }] });
await (await tap.fetch("http://" + host + "/v1/chat/completions", { method: "POST", body })).json();
process.exit(0);
`;

it("the first call of a process that exits right after it has its cost", () => {
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", SCRIPT], { encoding: "utf8" });
  expect(JSON.parse(output)).toEqual({ outcome: "success", totalUsd: 0.00021 });
});
