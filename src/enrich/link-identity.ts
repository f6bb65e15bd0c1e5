/** What the context tells of two calls: whether they can be, or must be, of one person. */
import type { CallContext, LlmCall } from "../types.ts";

export type Identity = Pick<CallContext, (typeof KEYS)[number]>;

const KEYS = ["userId", "sessionId", "deviceId", "customerOrgId"] as const;

export function readIdentity({ context }: LlmCall): Identity {
  const identity: Identity = {};
  for (const key of KEYS) {
    const value = context[key];
    if (value !== undefined) identity[key] = value;
  }
  return identity;
}

/** Whether the two can't be of one person. */
export function isInConflict(one: Identity, other: Identity): boolean {
  const differs = (key: keyof Identity): boolean =>
    one[key] !== undefined && other[key] !== undefined && one[key] !== other[key];
  // People have more than one device.
  const isSameUser = one.userId !== undefined && one.userId === other.userId;
  return differs("userId") || differs("sessionId") || differs("customerOrgId") || (differs("deviceId") && !isSameUser);
}

export function isSamePerson(one: Identity, other: Identity): boolean {
  const isSame = (key: keyof Identity): boolean => one[key] !== undefined && one[key] === other[key];
  return isSame("userId") || isSame("sessionId") || isSame("deviceId");
}
