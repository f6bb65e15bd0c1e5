/** IPv4 and IPv6 addresses. */

const IPV4 = /(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)/g;

/** Runs of what an IPv6 address is made of; each is taken whole and then judged. */
const IPV6_RUN = /(?<![\w:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,64}/g;

export function maskIpAddresses(text: string): string {
  let masked = text;
  if (masked.includes(":")) {
    masked = masked.replace(IPV6_RUN, (run: string, offset: number, whole: string) => {
      const address = run.replace(/[:.]$/, (end) => (run.endsWith("::") ? end : ""));
      const next = whole[offset + run.length];
      if (next !== undefined && /\w/.test(next)) return run;
      return isIpv6(address) ? `[ip]${run.slice(address.length)}` : run;
    });
  }
  if (!masked.includes(".")) return masked;
  return masked.replace(IPV4, (address) =>
    address.split(".").every((part) => Number(part) <= 255) ? "[ip]" : address,
  );
}

function isIpv6(address: string): boolean {
  // `a::b` is more often a name in code than an address.
  if (!/\d/.test(address)) return false;
  const [head = "", tail, ...more] = address.split("::");
  if (more.length > 0) return false;
  const groups = countGroups(head);
  if (groups === undefined) return false;
  if (tail === undefined) return groups === 8;
  const tailGroups = countGroups(tail);
  return tailGroups !== undefined && groups + tailGroups >= 2 && groups + tailGroups <= 7;
}

function countGroups(text: string): number | undefined {
  if (text === "") return 0;
  let count = 0;
  for (const group of text.split(":")) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(group)) count += 1;
    else if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(group)) count += 2;
    else return undefined;
  }
  return count;
}
