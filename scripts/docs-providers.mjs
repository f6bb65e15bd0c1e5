#!/usr/bin/env node
// Writes docs/providers.md from the tables in src/providers, as built:
//   npm run build && node scripts/docs-providers.mjs && npx oxfmt docs/providers.md
// test/docs/providers.test.ts fails when the page is not current.
import { writeFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";

/**
 * @param tables What `src/providers/hosts.ts` and `src/providers/paths.ts` export.
 * @returns the page as Markdown
 */
export function renderProviders({ PROVIDER_HOSTS, PATH_RULES, SNIFF_RULES, VERB_RULES, UPSTREAMS }) {
  return `<!-- Made by scripts/docs-providers.mjs. Don't edit. -->

# Providers and APIs

A call is recognised by its host, then by the end of its path; only POST counts. What no table names (model lists,
files, batches, …) gives no record and is counted in \`tap.stats().ignored\`. Hosts that are not here: the \`hosts\` option,
or, through \`tap.fetch\` and \`tap.interceptor\`, path and body alone ([unknown hosts](#unknown-hosts)).

## Providers

\`*.\` stands for one label or more, \`{name}\` for letters, digits and dashes. Names are those of OpenTelemetry's
\`gen_ai.provider.name\` where one exists. In brackets the set of paths; without one it is \`openai\`.

${PROVIDER_HOSTS.map(renderProvider).join("\n")}

## Paths

A path is matched at its end, the longest first. Each set holds the paths of \`openai\` as well. \`{model}\` is read as
the model.

${renderSets(PATH_RULES)}

### cloudflare-gateway

\`/v1/{account}/{gateway}/{provider}/…\`: what follows is read by the rules of that provider. Known names: ${list(Object.keys(UPSTREAMS))}.

### Google's verbs, at any host

${table(
  ["verb", "api", "operation"],
  Object.entries(VERB_RULES).map(([verb, rule]) => [
    `…/models/{model}:${verb}`,
    rule.api,
    rule.operation ?? "by the model's name",
  ]),
)}

Under \`:rawPredict\` and \`:streamRawPredict\` the publisher in the path decides the API.

## Unknown hosts

Paths that count where the request body has the shape of a call as well (a model, and \`messages\`, \`input\`, \`prompt\`,
\`contents\` or what the API calls it). The provider is then \`custom\`.

${renderRules(SNIFF_RULES)}
`;
}

function renderProvider({ provider, hosts, paths, upstreamProvider }) {
  const notes = [paths, upstreamProvider && `upstream ${upstreamProvider}`].filter(Boolean);
  return `- **${provider}**${notes.length === 0 ? "" : ` (${notes.join(", ")})`}: ${list(hosts)}`;
}

function renderSets(sets) {
  const shared = new Set(sets["openai"].map(keyOf));
  return Object.entries(sets)
    .filter(([, rules]) => rules.length > 0)
    .map(([name, rules]) => {
      const own = name === "openai" ? rules : rules.filter((rule) => !shared.has(keyOf(rule)));
      return `### ${name}\n\n${own.length === 0 ? "Nothing of its own." : renderRules(own)}`;
    })
    .join("\n\n");
}

const keyOf = ({ suffix, after = "", api, operation = "" }) => [suffix, after, api, operation].join(" ");

function renderRules(rules) {
  return table(
    ["path", "api", "operation"],
    rules.map((rule) => [renderPath(rule), rule.api, rule.operation ?? "by the model's name"]),
  );
}

function renderPath({ suffix, after, anonymous, not }) {
  const middle = after === undefined ? "" : `${after}${anonymous ? "{…}" : "{model}"}`;
  return `…${middle}${suffix}${not === undefined ? "" : ` (not under ${not})`}`;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [
    line(head),
    `|${head.map(() => "---").join("|")}|`,
    ...rows.map(([path, ...rest]) => line([`\`${path}\``, ...rest])),
  ].join("\n");
}

function list(names) {
  return names.map((name) => `\`${name}\``).join(", ");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const tables = {
    ...(await import("../dist/providers/hosts.js")),
    ...(await import("../dist/providers/paths.js")),
  };
  writeFileSync(new URL("../docs/providers.md", import.meta.url), renderProviders(tables));
}
