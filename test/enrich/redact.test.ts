import { describe, expect, it } from "vitest";
import { maskCredentials } from "../../src/enrich/credentials.ts";
import { maskPersonalData } from "../../src/enrich/redact.ts";

describe("maskPersonalData", () => {
  it.each([
    // E-mail
    ["mail bob.smith+x@example.co.uk, please", "mail [email], please"],
    ["<bob@example.com>", "<[email]>"],
    ["user=bob@example.com&x=1", "user=[email]&x=1"],
    ["bob@example.com.", "[email]."],
    ["a@b.io,c@d.io", "[email],[email]"],
    ["张三@例え.jp", "[email]"],
    ["claude-sonnet-4@20250514 and x@2.0 and @home and bob@localhost", undefined],
    // Cards
    ["4111 1111 1111 1111", "[card]"],
    ["pay 4111-1111-1111-1111 now", "pay [card] now"],
    ["amex 378282246310005 or 3782 822463 10005", "amex [card] or [card]"],
    ["PAN:5555555555554444.", "PAN:[card]."],
    ["4111111111111112", undefined],
    ["41111111111111111111111111", undefined],
    // IBAN
    ["DE89 3704 0044 0532 0130 00 please", "[iban] please"],
    ["GB82WEST12345698765432", "[iban]"],
    ["fr1420041010050500013m02606", "[iban]"],
    ["GB82WEST12345698765433", undefined],
    // SSN
    ["ssn 123-45-6789", "ssn [ssn]"],
    ["123 45 6789", "[ssn]"],
    ["000-12-3456 666-12-3456 912-12-3456 123-00-4567", undefined],
    // Phones
    ["+1 (415) 555-2671", "[phone]"],
    ["call +44 20 7946 0958 now", "call [phone] now"],
    ["(415) 555-2671", "[phone]"],
    ["415-555-2671, 415.555.2671, 4155552671", "[phone], [phone], [phone]"],
    ["020 7946 0958", "[phone]"],
    ["06 12 34 56 78", "[phone]"],
    ["13812345678", "[phone]"],
    ["+49 (0)30 123456", "[phone]"],
    // IP
    ["from 192.168.1.1:8080", "from [ip]:8080"],
    ["256.1.1.1 and 1.2.3.4.5 and v1.2.3", undefined],
    ["fe80::1, 2001:db8:85a3::8a2e:370:7334", "[ip], [ip]"],
    ["::ffff:192.0.2.1", "[ip]"],
    ["std::vector at 12:30:45, a::b, 10:20", undefined],
    // Keys
    ["key sk-proj-abcdefghijklmnop123456", "key [api_key]"],
    ["eyJhbGciOi.eyJzdWIiOi.abc-DEF", "[jwt]"],
    // Numbers that are nobody's
    ["2024-01-02 10:20:30, 01-02-2024, 12/31/2024", undefined],
    ["1700000000 and 1700000000000", undefined],
    ["3.14159265358979 and 0.0001234567 and 10 000 000 and 1,234,567.89", undefined],
    ["550e8400-e29b-41d4-a716-446655440000", undefined],
    ["isbn 978-3-16-148410-0, pages 4-5", undefined],
    ["", undefined],
  ])("%s", (text, expected) => {
    expect(maskPersonalData(text)).toBe(expected ?? text);
  });

  it("leaves no half of what it masked", () => {
    expect(maskPersonalData("4111 1111 1111 1111 123-45-6789 bob@example.com")).toBe("[card] [ssn] [email]");
  });
});

describe("maskCredentials", () => {
  it.each([
    ["Incorrect API key provided: sk-abcd*****wxyz. See", "Incorrect API key provided: [api_key]. See"],
    ["AIzaSyA1234567890abcdefghijklmnopqrstuv", "[api_key]"],
    ["AKIAIOSFODNN7EXAMPLE", "[api_key]"],
    ["Authorization: Bearer abc.def-123456", "Authorization: Bearer [token]"],
    ["Basic dXNlcjpwYXNzd29yZA==", "Basic [token]"],
    ["xoxb-123-456-abcdef", "[api_key]"],
    ["ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[api_key]"],
    ["gsk_abcdefghijklmnop0123", "[api_key]"],
    ["https://u:p@h.com/v1?key=abc123&alt=sse", "https://[credentials]@h.com/v1?key=REDACTED&alt=sse"],
    ["https://h.com/v1?api-version=1&sig=a%2Fb", "https://h.com/v1?api-version=1&sig=REDACTED"],
    ['{"client_secret":"shhhhhhh","api_key":"abcdefgh"}', '{"client_secret":"REDACTED","api_key":"REDACTED"}'],
    ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- after", "[private_key] after"],
    ["-----BEGIN PRIVATE KEY-----\nMIIE cut off", "[private_key]"],
    ["max_tokens: 100000, tokens=5, monkey=banana, the key: value, task-force-of-seventeen", undefined],
    ["rate limit: basic plan, bearer of news", undefined],
  ])("%s", (text, expected) => {
    expect(maskCredentials(text)).toBe(expected ?? text);
  });
});

/** Texts that make a pattern that backtracks or rescans take its square. */
const adversaries: Record<string, string> = {
  letters: "a",
  digits: "7",
  "digits and spaces": "1 ",
  dots: "1.1.",
  dashes: "12-",
  pluses: "+",
  parentheses: "(1)",
  "at signs": "a@",
  "long local parts": `${"a".repeat(64)}@`,
  "long domains": `@${"a".repeat(255)}`,
  "domain ends": `@${"-.".repeat(100)}`,
  colons: "12:",
  "starts of keys": "sk-",
  "starts of tokens": "eyJ",
  "two thirds of tokens": "eyJaaaa.",
  bearers: "Bearer ",
  "private keys": "-----BEGIN PRIVATE KEY----- ",
  parameters: "&key=",
  userinfo: "://a:",
  ibans: "DE89 ",
  cards: "4111 ",
  phones: "+1 415 555 ",
  passwords: 'password"  :  ',
  spaces: " ",
};

describe("time grows with the length of a hostile text, not with its square", () => {
  /** Processor time, which other processes don't add to; the best of three, which is what the text itself takes. */
  const measure = (text: string): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3; round++) {
      const before = process.cpuUsage();
      maskPersonalData(text);
      best = Math.min(best, process.cpuUsage(before).user / 1_000);
    }
    return best;
  };

  it.each(Object.entries(adversaries))("%s", (_name, unit) => {
    const repeat = (length: number): string => unit.repeat(Math.ceil(length / unit.length));
    const short = measure(repeat(64 * 1024));
    const long = measure(repeat(1024 * 1024));
    // 16 times the length: linear is 16, its square 256. The floor is for what takes no time at all.
    expect(long / Math.max(short, 2)).toBeLessThan(80);
  });
});

describe("numbers in whatever form they are written", () => {
  it.each<[string, string]>([
    ["full-width digits", "４１１１１１１１１１１１１１１１"],
    ["Arabic digits, in groups", "٤١١١ ١١١١ ١١١١ ١١١١"],
    ["mathematical digits", "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏"],
    ["narrow spaces", "4111\u202f1111\u202f1111\u202f1111"],
    ["thin and figure spaces", "4111\u20091111\u20071111\u20091111"],
    ["spaces that nobody sees", "4111\u200b1111\u200b1111\u200b1111"],
    ["a soft hyphen", "41111111\u00ad11111111"],
    ["two spaces", "4111  1111  1111  1111"],
    ["spaces around dashes", "4111 - 1111 - 1111 - 1111"],
    ["tabs", "4111\t1111\t1111\t1111"],
    ["dots", "4111.1111.1111.1111"],
    ["underscores", "4111_1111_1111_1111"],
    ["escapes of a URL", "4111%201111%201111%201111"],
    ["a minus sign", "4111\u22121111\u22121111\u22121111"],
    ["letters before and behind", "card4111111111111111x"],
  ])("a card with %s", (_name, card) => {
    expect(maskPersonalData(`pay ${card}, please`)).toContain("[card]");
    expect(maskPersonalData(`pay ${card}, please`)).not.toMatch(/1111|１１１１|١١١١/);
  });

  it.each<[string, string]>([
    ["percent-encoded", "to bob%40example.com now"],
    ["escaped as in JSON", String.raw`to bob\u0040example.com now`],
    ["as in HTML", "to bob&#64;example.com now"],
    ["full-width", "to bob\uff20example.com now"],
  ])("an address that is %s", (_name, text) => {
    expect(maskPersonalData(text)).toBe("to [email] now");
  });

  it("leaves what is around as it was written", () => {
    expect(maskPersonalData("Größe 12\u202f345 m² — ٣ Äpfel, ４ Birnen, 100%20")).toBe(
      "Größe 12\u202f345 m² — ٣ Äpfel, ４ Birnen, 100%20",
    );
    expect(maskPersonalData("é 4111\u202f1111\u202f1111\u202f1111 ü")).toBe("é [card] ü");
  });

  it.each([
    ["spaces beyond ASCII", "\u2009"],
    ["digits beyond ASCII", "\u0661"],
    ["escapes", "%20"],
    ["invisible ones", "1\u200b"],
    ["half an address", "a%40"],
  ])("takes time in proportion to the text: %s", (_name, unit) => {
    const measure = (length: number): number => {
      const text = unit.repeat(length / unit.length);
      const begin = performance.now();
      maskPersonalData(text);
      return performance.now() - begin;
    };
    measure(10_000);
    expect(measure(800_000)).toBeLessThan(40 * (measure(100_000) + 50));
  });
});
