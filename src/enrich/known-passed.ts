/** What of a request that comes again has passed the gate as it was: by the same rules it does so again. */
import type { KnownBeginning } from "../known-messages.ts";

export interface KnownPassed {
  /** So many messages of this request were there before. */
  readonly count: number;
  /** By their index, for those that have passed; whoever sees another one pass adds it. */
  readonly messages: boolean[];
  /** The same for the fields around them, by their names. Absent where those are not known. */
  readonly fields: Set<string> | undefined;
}

/** What was found out by certain rules. */
interface Found<What> {
  rules: string;
  what: What;
}

const messagesOf = new WeakMap<object, Found<boolean[]>>();
const fieldsOf = new WeakMap<object, Found<Set<string>>>();

/** @param rules - all that decides what becomes of what the app sent */
export function findPassed({ token, shorter, count, frame }: KnownBeginning, rules: string): KnownPassed {
  const messages = find(messagesOf, token, rules, () => copyFlags(shorter, rules));
  return { count, messages, fields: frame && find(fieldsOf, frame, rules, () => new Set<string>()) };
}

function find<What>(all: WeakMap<object, Found<What>>, token: object, rules: string, make: () => What): What {
  let found = all.get(token);
  if (found?.rules !== rules) all.set(token, (found = { rules, what: make() }));
  return found.what;
}

/** The last message may have been added to since. */
function copyFlags(shorter: object | undefined, rules: string): boolean[] {
  const found = shorter && messagesOf.get(shorter);
  return found?.rules === rules ? found.what.slice(0, -1) : [];
}
