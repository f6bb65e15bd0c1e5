/** Cards, phone numbers and US social security numbers: runs of digits and separators, judged group by group. */
import { JOINER, toPlainDigits } from "./plain-digits.ts";

/**
 * A run begins at a digit, `+` or `(` and takes every digit and separator that follows, so no character is looked at
 * twice.
 */
const RUN = /[+(]{0,2}\d[\d\t ()._\u2060/-]*/g;

interface Group {
  digits: string;
  /** In the run. */
  start: number;
  end: number;
  /** What stands between this group and the one before. */
  separator: string;
}

/** How many groups one number may be made of. */
const MAX_GROUPS = 8;

/** Whatever digits and spaces it is written with. */
export function maskNumbers(text: string): string {
  const plain = toPlainDigits(text);
  if (plain === text) return text.replace(RUN, (run) => (run.length < 9 ? run : maskRun(run, run)));
  let result = "";
  let copied = 0;
  for (const { 0: run, index } of plain.matchAll(RUN)) {
    const written = text.slice(index, index + run.length);
    result += text.slice(copied, index) + (run.length < 9 ? written : maskRun(run, written));
    copied = index + run.length;
  }
  return result + text.slice(copied);
}

/** @param written - the same run as it is in the text */
function maskRun(run: string, written: string): string {
  const groups = splitGroups(run);
  let result = "";
  let copied = 0;
  for (let index = 0; index < groups.length;) {
    const found = findNumber(run, groups, index);
    const first = groups[index];
    if (found === undefined || first === undefined) {
      index++;
      continue;
    }
    const last = groups[index + found.count - 1] ?? first;
    result += written.slice(copied, Math.max(copied, first.start - found.prefix)) + found.placeholder;
    copied = last.end;
    index += found.count;
  }
  return copied === 0 ? written : result + written.slice(copied);
}

function splitGroups(run: string): Group[] {
  const groups: Group[] = [];
  let end = 0;
  for (const { 0: group, index: start } of run.matchAll(/\d(?:\u2060*\d)*/g)) {
    const separator = withoutJoiners(run.slice(end, start));
    end = start + group.length;
    groups.push({ digits: withoutJoiners(group), start, end, separator });
  }
  return groups;
}

function withoutJoiners(text: string): string {
  return text.includes(JOINER) ? text.replaceAll(JOINER, "") : text;
}

interface Found {
  count: number;
  placeholder: string;
  /** Characters before the first digit that belong to it: `+`, `(`. */
  prefix: number;
}

function findNumber(run: string, groups: readonly Group[], from: number): Found | undefined {
  return findSocialSecurity(groups, from) ?? findCard(groups, from) ?? findPhone(run, groups, from);
}

const CARD_SEPARATOR = /^(?:[ \t-]{1,3}|[._/])$/;
const PHONE_SEPARATOR = /^(?:[ ./-]|\) ?|\)-| \(|\((?=$)| - |-\(|\) \()$/;

/** `123-45-6789`; never issued are areas 000, 666 and 9xx, group 00 and serial 0000. */
function findSocialSecurity(groups: readonly Group[], from: number): Found | undefined {
  const area = groups[from];
  if (area?.digits.length !== 3) return undefined;
  const [group, serial] = [groups[from + 1], groups[from + 2]];
  if (group?.digits.length !== 2 || serial?.digits.length !== 4) return undefined;
  if (group.separator !== serial.separator) return undefined;
  if (group.separator !== "-" && group.separator !== " ") return undefined;
  const valid = !/^(?:000|666|9)/.test(area.digits) && group.digits !== "00" && serial.digits !== "0000";
  return valid ? { count: 3, placeholder: "[ssn]", prefix: 0 } : undefined;
}

/** 13 to 19 digits that pass Luhn, in one piece or in groups of three to seven under one separator. */
function findCard(groups: readonly Group[], from: number): Found | undefined {
  const first = groups[from];
  if (first === undefined || !/^[2-6]/.test(first.digits) || first.digits.length > 19) return undefined;
  let digits = "";
  let best: Found | undefined;
  for (let count = 1; count <= MAX_GROUPS; count++) {
    const group = groups[from + count - 1];
    if (group === undefined) break;
    if (count > 1 && !continuesCard(groups, from, count - 1)) break;
    digits += group.digits;
    if (digits.length > 19) break;
    if (digits.length >= 13 && passesLuhn(digits)) best = { count, placeholder: "[card]", prefix: 0 };
  }
  return best;
}

function continuesCard(groups: readonly Group[], from: number, offset: number): boolean {
  const [first, second, group] = [groups[from], groups[from + 1], groups[from + offset]];
  if (first === undefined || second === undefined || group === undefined) return false;
  if (!CARD_SEPARATOR.test(group.separator) || group.separator !== second.separator) return false;
  return [first, group].every(({ digits }) => digits.length >= 3 && digits.length <= 7);
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 48;
    const doubled = digit * 2;
    sum += index % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/**
 * `+` and 8 to 15 digits; a North American number; a national number with trunk `0` in groups under one separator; a
 * mobile number of eleven digits that begins with 1. Plain ten-digit epochs (1…) and dates are none of these.
 */
function findPhone(run: string, groups: readonly Group[], from: number): Found | undefined {
  const first = groups[from];
  // The digits after a decimal point.
  if (first === undefined || (from > 0 && first.separator === "." && first.digits.length > 4)) return undefined;
  const before = run.slice(Math.max(0, first.start - 2), first.start);
  const prefix = /[+(]{0,2}$/.exec(before)?.[0].length ?? 0;
  const plus = before.slice(before.length - prefix).includes("+");
  let digits = "";
  let best: number | undefined;
  for (let count = 1; count <= MAX_GROUPS; count++) {
    const group = groups[from + count - 1];
    if (group === undefined || (count > 1 && !PHONE_SEPARATOR.test(group.separator))) break;
    digits += group.digits;
    if (digits.length > 15) break;
    if (digits.length >= 8 && isPhone(digits, groups.slice(from, from + count), plus)) best = count;
  }
  return best === undefined ? undefined : { count: best, placeholder: "[phone]", prefix };
}

function isPhone(digits: string, groups: readonly Group[], plus: boolean): boolean {
  if (plus) return true;
  if (/^1?[2-9]\d{2}[2-9]\d{6}$/.test(digits)) return groups.length === 1 || isNorthAmerican(groups);
  if (groups.length === 1) return /^(?:1[3-9]\d{9}|0[1-9]\d{8,9})$/.test(digits);
  if (!/^0[1-9]\d{7,9}$/.test(digits) || (groups[0]?.digits.length ?? 0) < 2) return false;
  const separators = new Set(groups.slice(1).map((group) => group.separator.trim()));
  return separators.size === 1 || groups[1]?.separator.includes(")") === true;
}

/** 3-3-4, with or without the country in front. */
function isNorthAmerican(groups: readonly Group[]): boolean {
  const shape = groups.map((group) => group.digits.length).join("");
  return shape === "334" || shape === "1334" || shape === "37" || shape === "64" || shape === "137";
}
