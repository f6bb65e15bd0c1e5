// Puts what `enrich/price-source` exports in its place: the texts as they are, and the calculator without the list.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const target = fileURLToPath(new URL("../dist/enrich/price-source.js", import.meta.url));
const { texts } = await import(target);
const home = fileURLToPath(new URL("../node_modules/@pydantic/genai-prices/", import.meta.url));

/** The list is the first statement of its module. */
const LIST = /^const (\w+) = \[\n.*?^\]/ms;

const withoutList = {
  name: "without-list",
  transform(code, id) {
    if (!id.startsWith(home)) return null;
    const stripped = code.replace(LIST, "const $1 = []");
    if (stripped.length * 10 > code.length) throw new Error("@pydantic/genai-prices is not built as it was");
    return stripped;
  },
};

const bundle = await rolldown({
  input: "calculator",
  platform: "neutral",
  plugins: [
    {
      name: "calculator",
      resolveId: (id) => (id === "calculator" ? id : null),
      load: (id) =>
        id === "calculator" ? `export { calcPrice } from ${JSON.stringify(`${home}dist/index.js`)};` : null,
    },
    withoutList,
  ],
});
const { output } = await bundle.generate({ format: "esm" });
await bundle.close();
// Not before it is called.
const calculator = output[0].code
  .replace(/^export \{ (\w+) as calcPrice \};\s*$/m, "return $1;\n")
  // The names are of ASCII letters, and the collation of a language takes 20 ms to load.
  .replaceAll(/([\w.]+)\.localeCompare\(([\w.]+)\)/g, "($1 < $2 ? -1 : $1 > $2 ? 1 : 0)");
if (/^export|localeCompare/m.test(calculator))
  throw new Error("the calculator of @pydantic/genai-prices is not as it was");
const list = Object.entries(texts).map(([id, text]) => `\t${JSON.stringify(id)}: ${quote(text)},\n`);
writeFileSync(
  target,
  `/*\n@pydantic/genai-prices\n\n${readFileSync(`${home}LICENSE`, "utf8").trim()}\n*/\nexport function openCalculator() {\n${calculator}}\n` +
    `export const texts = {\n${list.join("")}};\n`,
);
// It told of lines that are not there.
rmSync(`${target}.map`, { force: true });

/** JSON is full of double quotes. */
function quote(text) {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
