/** What the context tells of two calls: whether they can be, or must be, of one person. */
import type { CallContext, LlmCall } from "../types.ts";

type IdentityKey = "userId" | "sessionId" | "deviceId" | "customerOrgId";

/** A part of the context, which may be large and is not kept. */
export type Identity = Readonly<Record<IdentityKey, CallContext[IdentityKey]>>;

/** Most apps say nothing of who asks: all their calls share this. */
const NOBODY: Identity = Object.freeze({
  userId: undefined,
  sessionId: undefined,
  deviceId: undefined,
  customerOrgId: undefined,
});

export function readIdentity({ context }: LlmCall): Identity {
  const { userId, sessionId, deviceId, customerOrgId } = context;
  const isKnown = (userId ?? sessionId ?? deviceId ?? customerOrgId) !== undefined;
  return isKnown ? { userId, sessionId, deviceId, customerOrgId } : NOBODY;
}

/** Whether the two can't be of one person. */
export function isInConflict(one: Identity, other: Identity): boolean {
  // People have more than one device.
  const isSameUser = one.userId !== undefined && one.userId === other.userId;
  return (
    differ(one.userId, other.userId) ||
    differ(one.sessionId, other.sessionId) ||
    differ(one.customerOrgId, other.customerOrgId) ||
    (differ(one.deviceId, other.deviceId) && !isSameUser)
  );
}

function differ(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other;
}

export function isSamePerson(one: Identity, other: Identity): boolean {
  return (
    areSame(one.userId, other.userId) ||
    areSame(one.sessionId, other.sessionId) ||
    areSame(one.deviceId, other.deviceId)
  );
}

function areSame(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && one === other;
}
