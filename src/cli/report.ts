/** What a command prints: sections of lines that each say how things stand. */
import process from "node:process";
import { styleText } from "node:util";
import { plainLine } from "../sinks/shared/terminal-text.ts";

/** `yes`: as it should be; `no`: it is not; `note`: worth knowing; `fact`: just so. */
export type Status = "yes" | "no" | "note" | "fact";

export interface Line {
  status: Status;
  text: string;
}

export interface Section {
  title: string;
  lines: readonly Line[];
}

const MARKS: Record<Status, { mark: string; color: Parameters<typeof styleText>[0] }> = {
  yes: { mark: "✓", color: "green" },
  no: { mark: "✗", color: "red" },
  note: { mark: "!", color: "yellow" },
  fact: { mark: "·", color: "dim" },
};

export const yes = (text: string): Line => ({ status: "yes", text });
export const no = (text: string): Line => ({ status: "no", text });
export const note = (text: string): Line => ({ status: "note", text });
export const fact = (text: string): Line => ({ status: "fact", text });

/** Longest line, in characters: names and paths come from files that anyone may have written. */
const MAX_LENGTH = 400;

/** @param isColored Default: on a terminal, as NO_COLOR and FORCE_COLOR say. */
export function formatSections(sections: readonly Section[], isColored: boolean = wantsColor()): string {
  const style: (format: Parameters<typeof styleText>[0], text: string) => string = isColored
    ? (format, text) => styleText(format, text, { validateStream: false })
    : (_format, text) => text;
  return sections
    .map(({ title, lines }) => {
      const body = lines.map(({ status, text }) => {
        const { mark, color } = MARKS[status];
        return `  ${style(color, mark)} ${plainLine(text, MAX_LENGTH)}\n`;
      });
      return `${style("bold", title)}\n${body.join("")}`;
    })
    .join("\n");
}

/** The rule that Node has for its own streams: FORCE_COLOR first, then NO_COLOR, then whether a person is looking. */
function wantsColor(): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return (NO_COLOR ?? "") === "" && process.stdout.isTTY && TERM !== "dumb";
}
