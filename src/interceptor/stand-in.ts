/** What a fetch is given in place of a dispatcher: with a `dispatch` of its own, and all else is the real one's. */
import type { CallMarker } from "../context.ts";
import { type Dispatch, MARKER } from "./dispatcher.ts";
import type { Dispatcher } from "./hook-dispatcher.ts";

/** @param marker - tells taps further down that this call is known. Default: they need not be told */
export function createStandIn(target: Dispatcher, dispatch: Dispatch, marker?: CallMarker): Dispatcher {
  return new (standInClassOf(target))(dispatch, marker);
}

type StandInClass = new (dispatch: Dispatch, marker: CallMarker | undefined) => Dispatcher;
const standInClasses = new WeakMap<Dispatcher, StandInClass>();

/** One for each dispatcher, of which there are hardly ever more than a few; each call makes an object of it. */
function standInClassOf(target: Dispatcher): StandInClass {
  let standInClass = standInClasses.get(target);
  if (standInClass === undefined) {
    standInClass = class StandIn {
      readonly dispatch: Dispatch;
      readonly [MARKER]: CallMarker | undefined;
      constructor(dispatch: Dispatch, marker: CallMarker | undefined) {
        this.dispatch = dispatch;
        this[MARKER] = marker;
      }
    } as unknown as StandInClass;
    Reflect.deleteProperty(standInClass.prototype, "constructor");
    Object.setPrototypeOf(standInClass.prototype, readThrough(target));
    standInClasses.set(target, standInClass);
  }
  return standInClass;
}

/** A Proxy, because fetch reads more of a dispatcher than `dispatch`; methods keep their `this`. */
function readThrough(target: Dispatcher): Dispatcher {
  return new Proxy(target, {
    get(dispatcher, key) {
      const value: unknown = Reflect.get(dispatcher, key, dispatcher);
      return typeof value === "function" && key !== "constructor" ? (value.bind(dispatcher) as unknown) : value;
    },
  });
}
