/** International bank account numbers: country, length of that country, and the check digits (ISO 13616, mod 97). */

/** Length by country, from the SWIFT IBAN registry. */
const lengths: Readonly<Record<string, number>> = Object.fromEntries(
  (
    "15NO 16BE 18DK18FI18FO18GL18NL18SD18FK 19MK19SI 20AT20BA20EE20KZ20LT20LU20XK20MN 21CH21HR21LI21LV " +
    "22BG22BH22CR22DE22GB22GE22IE22ME22RS22VA 23AE23GI23IL23IQ23OM23TL23SO 24AD24CZ24ES24MD24PK24RO24SA24SE24SK24TN24VG " +
    "25LY25PT25ST 26IS26TR 27BI27DJ27FR27GR27IT27MC27MR27SM 28AL28AZ28BY28CY28DO28GT28HU28LB28NI28PL28SV " +
    "29BR29EG29PS29QA29UA 30JO30KW30MU30YE 31MT31SC 32LC 33RU"
  )
    .match(/\d{2}[A-Z]{2}/g)
    ?.map((entry) => [entry.slice(2), Number(entry.slice(0, 2))]) ?? [],
);

const CANDIDATE = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[\s\u2010-\u2015-]?[A-Za-z0-9])/g;

export function maskIbans(text: string): string {
  let result = "";
  let copied = 0;
  for (const { index } of text.matchAll(CANDIDATE)) {
    if (index < copied) continue;
    const end = findEnd(text, index);
    if (end === undefined) continue;
    result += `${text.slice(copied, index)}[iban]`;
    copied = end;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

/** Longest there is, in groups of four. */
const LONGEST_WRITTEN = 42;

/** Where an IBAN begins whose end is missing; the length of the text when it does not end with one. */
export function findBrokenIban(text: string): number {
  const from = Math.max(0, text.length - LONGEST_WRITTEN);
  const end = text.slice(from);
  for (const { 0: start, index } of end.matchAll(CANDIDATE)) {
    const length = lengths[start.slice(0, 2).toUpperCase()];
    const rest = end.slice(index);
    if (length === undefined || !/^(?:[A-Za-z0-9][\s\u2010-\u2015-]?)*$/.test(rest)) continue;
    if (rest.replaceAll(/[^A-Za-z0-9]/g, "").length < length) return from + index;
  }
  return text.length;
}

/** The index after the IBAN that begins at `start`; single spaces or dashes may stand between its characters. */
function findEnd(text: string, start: number): number | undefined {
  const length = lengths[text.slice(start, start + 2).toUpperCase()];
  if (length === undefined) return undefined;
  let compact = "";
  let index = start;
  let separated = true;
  for (; compact.length < length; index++) {
    const character = text[index];
    if (character === undefined) return undefined;
    if (/[A-Za-z0-9]/.test(character)) {
      compact += character;
      separated = false;
    } else if (/[^\S\r\n]|[-\u2010-\u2015]/.test(character) && !separated) separated = true;
    else return undefined;
  }
  const next = text[index];
  if (next !== undefined && /[A-Za-z0-9]/.test(next)) return undefined;
  return hasValidCheckDigits(compact.toUpperCase()) ? index : undefined;
}

function hasValidCheckDigits(iban: string): boolean {
  let remainder = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}
