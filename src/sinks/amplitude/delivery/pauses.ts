/** Which devices and users Amplitude has asked to wait. */
import type { AmplitudeEvent } from "../types.ts";

export interface Pauses {
  /** The ids of an event that Amplitude may name. */
  keysOf(event: AmplitudeEvent): string[];
  pause(ids: Iterable<string>, milliseconds: number): void;
  /** Milliseconds until this event may go; 0 or less when it may now. */
  remaining(event: AmplitudeEvent): number;
}

/** Beyond this the oldest are forgotten: they are throttled anew if need be. */
const MAX_PAUSED = 10_000;

export function createPauses(): Pauses {
  const until = new Map<string, number>();

  function keysOf(event: AmplitudeEvent): string[] {
    return [event.device_id, event.user_id].filter((id) => id !== undefined);
  }

  return {
    keysOf,
    pause(ids, milliseconds) {
      for (const id of ids) {
        until.delete(id);
        until.set(id, performance.now() + milliseconds);
      }
      for (const oldest of until.keys()) {
        if (until.size <= MAX_PAUSED) break;
        until.delete(oldest);
      }
    },
    remaining(event) {
      if (until.size === 0) return 0;
      let left = 0;
      for (const key of keysOf(event)) {
        const end = until.get(key);
        if (end === undefined) continue;
        if (end <= performance.now()) until.delete(key);
        else left = Math.max(left, end - performance.now());
      }
      return left;
    },
  };
}
