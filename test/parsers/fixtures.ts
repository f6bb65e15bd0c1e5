/** Reads `test/fixtures/<folder>/<case>.{request.json, response.*, expected.json}` and turns responses into frames. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Frame, ParsedRequest, ParsedResponse, RouteInfo } from "../../src/parsers/parser.ts";

const root = new URL("../fixtures/", import.meta.url);

export interface Expected {
  route?: Partial<RouteInfo>;
  /** Default 200. */
  status?: number;
  headers?: Record<string, string>;
  /** A stream without an end mark: it has ended when the wire has. */
  endsWithWire?: true;
  request: ParsedRequest;
  /** `usage.raw` is compared only when it is given here. */
  response: ParsedResponse;
}

export interface Fixture {
  name: string;
  requestBody: unknown;
  frames: readonly Frame[];
  streaming: boolean;
  expected: Expected;
}

/** All cases of a folder, sorted by name. */
export function readFixtures(folder: string): Fixture[] {
  const directory = new URL(`${folder}/`, root);
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory).sort();
  return files.filter((file) => file.endsWith(".expected.json")).map((file) => readFixture(directory, files, file));
}

function readFixture(directory: URL, files: readonly string[], file: string): Fixture {
  const name = file.slice(0, -".expected.json".length);
  const read = (suffix: string): string => readFileSync(new URL(`${name}.${suffix}`, directory), "utf8");
  const response = files.find((candidate) => candidate.startsWith(`${name}.response.`));
  if (response === undefined) throw new Error(`${name} has no response file beside its expected.json`);
  const kind = response.slice(`${name}.response.`.length);
  const frames = toFrames(kind, read(`response.${kind}`));
  return {
    name,
    requestBody: files.includes(`${name}.request.json`) ? JSON.parse(read("request.json")) : undefined,
    frames,
    streaming: kind === "sse" || kind === "ndjson",
    expected: JSON.parse(read("expected.json")) as Expected,
  };
}

function toFrames(kind: string, text: string): Frame[] {
  switch (kind) {
    case "json":
      return [{ kind: "body", value: JSON.parse(text) }];
    case "txt":
      return [{ kind: "text", text }];
    // What a decoder tells of binary bodies: `[{"bytes": 3, "mimeType": "audio/mpeg"}]`.
    case "bin.json":
      return (JSON.parse(text) as { bytes: number; mimeType?: string }[]).map((part) =>
        Object.assign(part, { kind: "binary" as const }),
      );
    case "ndjson":
      return text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => ({ kind: "event", value: JSON.parse(line) }));
    case "sse":
      return readSse(text);
    default:
      throw new Error(`No frames for a .${kind} fixture`);
  }
}

/** Naive on purpose: the decoder has its own tests. */
export function readSse(text: string): Frame[] {
  const frames: Frame[] = [];
  for (const block of text.split(/\n\n+/)) {
    let name: string | undefined;
    const data: string[] = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    }
    if (data.length === 0) continue;
    const named = name === undefined ? {} : { name };
    const joined = data.join("\n");
    try {
      frames.push({ kind: "event", value: JSON.parse(joined), ...named });
    } catch {
      frames.push({ kind: "event-text", text: joined, ...named });
    }
  }
  return frames;
}
