/** Fixtures of every API with a canary in each text: in values and in names of fields, of requests and of answers. */
import { readdirSync, readFileSync } from "node:fs";
import type { Api } from "../../src/types.ts";

const root = new URL("../fixtures/", import.meta.url);

export interface Case {
  api: Api;
  name: string;
  status: number;
  headers: Record<string, string>;
  /** As JSON; `undefined`: there is none, or it is no JSON. */
  request: unknown;
  kind: string;
  response: string;
}

const TYPES: Readonly<Record<string, string>> = {
  json: "application/json",
  sse: "text/event-stream",
  ndjson: "application/x-ndjson",
  txt: "text/plain",
};

/** All fixtures whose answers are texts. */
export function listCases(): Case[] {
  return readdirSync(root).flatMap((api) => {
    const directory = new URL(`${api}/`, root);
    const files = readdirSync(directory);
    return files
      .filter((file) => file.endsWith(".expected.json"))
      .flatMap((file): Case[] => {
        const name = file.slice(0, -".expected.json".length);
        const response = files.find((candidate) => candidate.startsWith(`${name}.response.`)) ?? "";
        const kind = response.slice(`${name}.response.`.length);
        if (TYPES[kind] === undefined) return [];
        const read = (path: string): string => readFileSync(new URL(path, directory), "utf8");
        const expected = JSON.parse(read(file)) as { status?: number; headers?: Record<string, string> };
        return [
          {
            api: api as Api,
            name,
            status: expected.status ?? 200,
            headers: { "content-type": TYPES[kind] ?? "", ...expected.headers },
            request: files.includes(`${name}.request.json`) ? JSON.parse(read(`${name}.request.json`)) : undefined,
            kind,
            response: read(response),
          },
        ];
      });
  });
}

/** What is put in the place of a text. `undefined`: it stays. `owner`: the objects around it, innermost last. */
export type Plant = (path: string, text: string, owners: readonly object[]) => string | undefined;

/** Words of the protocol: with another one there a body is read as something else, or not at all. */
const PROTOCOL =
  /(?:^|\.)(?:type|role|object|event|event_type|kind|status|state|task|phase|stop_reason|stopReason|finish_reason|finishReason|done_reason|mode|format|encoding|_type|__type|delta_type|part_type|response_type|unified|author|modality)$/;

export function isProtocol(path: string): boolean {
  return PROTOCOL.test(path.replaceAll(".#", ""));
}

export function plantIn(value: unknown, plant: Plant, path = "", owners: readonly object[] = []): unknown {
  if (typeof value === "string") return plant(path, value, owners) ?? value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => plantIn(item, plant, `${path}.#`, owners));
  const inner = [...owners, value];
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      plantIn(item, plant, path === "" ? key : `${path}.${key}`, inner),
    ]),
  );
}

/** The same in a body: each JSON value in it. */
export function plantInBody(kind: string, body: string, plant: Plant): string {
  const each = (text: string): string => {
    try {
      return JSON.stringify(plantIn(JSON.parse(text), plant));
    } catch {
      return plant("text", text, []) ?? text;
    }
  };
  if (kind === "sse") {
    return body.replace(/^(data:\s*)([{["].*)$/gm, (_line, data: string, json: string) => data + each(json));
  }
  if (kind === "ndjson") return body.replace(/^.+$/gm, each);
  return each(body);
}

/** Ways in which a text may be hidden in another one. */
export function hide(text: string): string[] {
  const base64 = [0, 1, 2].map((shift) =>
    // Whatever stands before it, the middle is always the same.
    Buffer.from(" ".repeat(shift) + text)
      .toString("base64")
      .slice(shift === 0 ? 0 : 4)
      .replace(/.{0,4}=*$/, ""),
  );
  return [
    text,
    ...base64,
    Buffer.from(text).toString("hex"),
    encodeURIComponent(text),
    JSON.stringify(text).slice(1, -1),
    Array.from(text).toReversed().join(""),
  ];
}

/** Which of the canaries can be found in what has left, in whatever form. */
export function findLeaks(left: string, canaries: readonly string[]): string[] {
  return canaries.filter((canary) => hide(canary).some((form) => left.includes(form)));
}
