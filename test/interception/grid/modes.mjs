// The ways to tap, one at a time and two at once, and what each of them is expected to see.

/**
 * - `base`: how the app calls. `plain`: it leaves the dispatcher to undici; `given`: it passes a dispatcher of its own
 *   to each call; `global`: it has set a global dispatcher.
 * - `taps`: for each tap the ways it is put in. With `register` among them the process was started with `--import`.
 */
export const MODES = {
  "bare, plain": { base: "plain", taps: [] },
  "bare, given": { base: "given", taps: [] },
  "bare, global": { base: "global", taps: [] },
  fetch: { base: "plain", taps: [["fetch"]] },
  "fetch, given": { base: "given", taps: [["fetch"]] },
  interceptor: { base: "given", taps: [["interceptor"]] },
  "global interceptor": { base: "global", taps: [["interceptor"]] },
  install: { base: "plain", taps: [["install"]] },
  "fetch + interceptor": { base: "given", taps: [["fetch", "interceptor"]] },
  "fetch + install": { base: "plain", taps: [["fetch", "install"]] },
  "interceptor + install": { base: "global", taps: [["interceptor", "install"]] },
  "fetch, interceptor of another": { base: "given", taps: [["fetch"], ["interceptor"]] },
  "fetch, install of another": { base: "plain", taps: [["fetch"], ["install"]] },
  "interceptor, install of another": { base: "global", taps: [["interceptor"], ["install"]] },
  "install twice": { base: "plain", taps: [["install"], ["install"]] },
  register: { base: "plain", isRegistered: true, taps: [] },
  "register, fetch": { base: "plain", isRegistered: true, taps: [["fetch"]] },
  "register, interceptor": { base: "given", isRegistered: true, taps: [["interceptor"]] },
  "register, install": { base: "plain", isRegistered: true, taps: [["install"]] },
};

/** Modes in which calls that wait for undici's own timers are made too. */
export const SLOW_MODES = [
  "bare, plain",
  "bare, given",
  "bare, global",
  "interceptor",
  "install",
  "fetch + interceptor",
  "register",
];

/** How undici's own ways to call are named in the grid; the other two are fetches. */
const FETCHES = new Set(["built-in fetch", "undici.fetch"]);

/** Whether a tap that is put in by these ways sees the calls of a client. */
export function sees(ways, { client, base, reachesGlobal }) {
  const isFetch = FETCHES.has(client);
  return ways.some((way) => {
    if (way === "fetch") return isFetch;
    if (way === "interceptor") return base === "given" || reachesGlobal;
    // `install` and `register`: the hook on fetch, or that on the global dispatchers, which a dispatcher of the app's own avoids.
    return client === "built-in fetch" || base !== "given";
  });
}

/** To compose alone changes what undici 7 tells a handler. */
const passOn = (dispatch) => (options, handler) => dispatch(options, handler);

/** Puts the taps in. @returns what calls are made with, and how it is taken off again */
export function enterMode({ base, taps: allWays }, { undici, createTap, memorySink, hosts }) {
  const taps = allWays.map((ways) => {
    const sink = memorySink();
    const errors = [];
    const tap = createTap({
      sinks: [sink],
      hosts,
      onError: (error) => errors.push(String(error.cause?.stack ?? error)),
    });
    return { ways, tap, sink, errors };
  });
  const having = (way) => taps.filter(({ ways }) => ways.includes(way)).map(({ tap }) => tap);
  const { fetch: captured } = globalThis;
  const before = undici.getGlobalDispatcher();
  const agent =
    base === "plain"
      ? undefined
      : having("interceptor").reduce(
          (dispatcher, tap) => dispatcher.compose(tap.interceptor),
          new undici.Agent().compose(passOn),
        );
  if (base === "global") undici.setGlobalDispatcher(agent);
  const restores = having("install").map((tap) => tap.install());
  const withFetch = having("fetch");
  const wrap = (fetch) => withFetch.reduce((inner, tap) => tap.wrapFetch(inner), fetch);
  const given = base === "given" ? { dispatcher: agent } : {};
  const withDispatcher = (fetch) =>
    base === "given"
      ? (input, init) =>
          fetch(
            input,
            Object.freeze(Object.assign(Object.create(Object.getPrototypeOf(init ?? {})), init, { dispatcher: agent })),
          )
      : fetch;
  return {
    taps,
    dispatcher: agent ?? undici.getGlobalDispatcher(),
    fetches: {
      "built-in fetch": withDispatcher(
        withFetch.length === 1 ? withFetch[0].fetch : wrap((...args) => globalThis.fetch(...args)),
      ),
      "undici.fetch": withDispatcher(wrap(undici.fetch)),
    },
    with: (options) => ({ ...options, ...given }),
    async leave() {
      // The order in which they were put in: not that of a stack.
      for (const restore of restores) restore();
      const leftovers = { fetch: globalThis.fetch === captured };
      undici.setGlobalDispatcher(before);
      await agent?.destroy();
      return leftovers;
    },
  };
}
