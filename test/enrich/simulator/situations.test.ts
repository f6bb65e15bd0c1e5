/** Single situations in which a rule that looks right would join what does not belong together. */
import { describe, expect, it } from "vitest";
import type { RunContext } from "../../../src/types.ts";
import { type Answer, type Called, DIALECTS, type Dialect, type Said } from "./dialects.ts";
import { createIds, createWorld, nextAnswerId, type Sent, talk, type World } from "./world.ts";

const chat = DIALECTS.find(({ name }) => name === "openai-chat") as Dialect;
const user = (text: string): Said => ({ by: "user", text });
const model = ({ text, calls }: Answer): Said => ({
  by: "model",
  ...(text !== undefined && { text }),
  ...(calls && { calls }),
});
const says = (text: string): Answer => ({ id: nextAnswerId(), text });

interface Person {
  ask(said: readonly Said[], answer: Answer, more?: Partial<Sent>): Promise<Answer>;
}

function person(world: World, name: string, context: RunContext = {}, dialect = chat): Person {
  return {
    ask: (said, answer, more = {}) =>
      world.send(name, dialect, { system: "You are kind.", said, answer, after: undefined, context, ...more }),
  };
}

const clean = { wrong: [], wrongParents: [], wrongRetries: [] };

describe("two people who hear the same", () => {
  it.each(["edit", "regenerate"] as const)(
    "one has gone on and comes back (%s) while the other has not",
    async (how) => {
      const world = createWorld(1);
      const [ann, bob] = [person(world, "ann"), person(world, "bob")];
      const hello = await ann.ask([user("Hi")], says("Hello!"));
      await ann.ask([user("Hi"), model(hello), user("A")], says("Well."), { after: hello.id });
      await bob.ask([user("Hi")], says("Hello!"));
      const again = [user("Hi"), model(hello), user(how === "edit" ? "B" : "A B")];
      await ann.ask(again, says("Well!"), { after: hello.id });
      expect(await world.judge()).toMatchObject(clean);
    },
  );

  it("in the same millisecond, one going on before its stream has ended", async () => {
    const world = createWorld(2);
    const people = ["ann", "bob", "carol"].map((name) => person(world, name));
    await Promise.all(
      people.map(async ({ ask }) => {
        const hello = await ask([user("Hi")], says("Hello!"), { isStreamed: true });
        await ask([user("Hi"), model(hello), user("Go on")], says("Well."), { after: hello.id, isStreamed: true });
      }),
    );
    expect(await world.judge()).toMatchObject(clean);
  });

  it.each<[string, RunContext, RunContext]>([
    ["users", { userId: "ann" }, { userId: "bob" }],
    ["sessions", { sessionId: "s1" }, { sessionId: "s2" }],
    ["devices", { deviceId: "d1" }, { deviceId: "d2" }],
    ["organisations", { customerOrgId: "o1" }, { customerOrgId: "o2" }],
  ])("%s keep them apart", async (_name, one, other) => {
    const world = createWorld(3);
    const ann = await person(world, "ann", one).ask([user("Hi")], says("Hello!"));
    await person(world, "bob", other).ask([user("Hi"), model(ann), user("Go on")], says("Well."));
    expect(await world.judge()).toMatchObject(clean);
  });

  it("a script that is played again is told whole, each time", async () => {
    const world = createWorld(4);
    for (const name of ["ann", "bob", "carol"])
      await talk(world, name, { dialect: chat, ids: "call_0", answers: "same", turns: 3, tools: true });
    const verdict = await world.judge();
    expect(verdict).toMatchObject(clean);
    expect(verdict.linked).toBe(verdict.continued);
  });
});

describe("histories that are not what was said", () => {
  const shots = [user("2+2"), model(says("4")), user("3+3"), model(says("6"))];

  it("shots that everybody brings along", async () => {
    const world = createWorld(5);
    await person(world, "zoe").ask([user("2+2")], says("4"));
    for (const name of ["ann", "bob"]) {
      const { ask } = person(world, name);
      const first = await ask([...shots, user(`${name}+1`)], says(`(${name})`));
      await ask([...shots, user(`${name}+1`), model(first), user("Sure?")], says("Yes."), { after: first.id });
    }
    const verdict = await world.judge();
    expect(verdict).toMatchObject(clean);
    expect(verdict.linked).toBe(2);
  });

  it("a window that slides, a summary, a prompt whose parts change places", async () => {
    const world = createWorld(6);
    for (const name of ["ann", "bob"]) {
      const { ask } = person(world, name);
      const said: Said[] = [user("Hi")];
      let last: string | undefined;
      for (let turn = 0; turn < 5; turn += 1) {
        const answer = await ask(said.slice(-3), says("Well."), { after: last });
        last = answer.id;
        said.push(model(answer), user(`And ${turn}?`));
      }
      const summary = [user("Summary: they said hi."), user("Go on")];
      await ask(summary, says("Well."), { after: last });
      await ask(summary.toReversed(), says("Well."), { system: "You are kinder.", after: last });
    }
    expect(await world.judge()).toMatchObject(clean);
  });

  it("an id that somebody else's answer has, behind words of their own", async () => {
    const world = createWorld(7);
    const call = { id: "call_0", name: "weather", arguments: { city: "Oslo" } };
    const [ann, bob] = [person(world, "ann"), person(world, "bob")];
    await ann.ask([user("Oslo?")], { id: nextAnswerId(), calls: [call] });
    const turn: Said = { by: "model", calls: [call] };
    await bob.ask([user("Rome?"), turn, { by: "tools", results: [{ call, result: "sun" }] }], says("Sun."));
    const verdict = await world.judge();
    expect(verdict).toMatchObject(clean);
    expect(verdict.spans).toEqual([]);
  });

  it("agents that were started by one agent, at the same time", async () => {
    const world = createWorld(8);
    const makeId = createIds(world.random, "random");
    const { ask } = person(world, "lead");
    const calls = ["a", "b", "c"].map((name) => ({ id: makeId("research", 0), name: "research", arguments: { name } }));
    const plan = await ask([user("Find out")], { id: nextAnswerId(), calls });
    const results = await Promise.all(
      calls.map(async (call, index) => {
        await talk(world, `sub${index}`, { dialect: chat, ids: "call_0", answers: "own", turns: 1, tools: true });
        return { call, result: "done" };
      }),
    );
    const back: Said = { by: "tools", results: results.toReversed() };
    await ask([user("Find out"), model(plan), back], says("Here."), { after: plan.id });
    const verdict = await world.judge();
    expect(verdict).toMatchObject(clean);
    expect(verdict.linked).toBe(verdict.continued);
    const runs = verdict.spans.filter(({ name }) => name === "research");
    expect(new Set(runs.map(({ tool }) => tool?.callId))).toEqual(new Set(calls.map(({ id }) => id)));
  });
});

describe("a history that an SDK writes anew", () => {
  const makeCall = (world: World, name: string): Called => ({
    id: createIds(world.random, "random")(name, 0),
    name,
    arguments: { city: "Oslo" },
  });
  const results = (...calls: Called[]): Said => ({
    by: "tools",
    results: calls.map((call) => ({ call, result: `${call.name}: fine` })),
  });

  /** Two people; each asks with tools, and goes on from the answer with a history of another form. */
  it.each<[string, (steps: { a: Called; b: Called; c: Called; text: Answer }) => Said[]]>([
    ["joins steps", ({ a, b, c, text }) => [{ by: "model", calls: [a, b, c] }, results(a, b, c), model(text)]],
    [
      "takes calls apart",
      ({ a, b, c, text }) => [
        ...[a, b, c].flatMap((call): Said[] => [{ by: "model", calls: [call] }, results(call)]),
        model(text),
      ],
    ],
    ["keeps only what people see", ({ text }) => [model(text)]],
    ["leaves the first step out", ({ c, text }) => [{ by: "model", calls: [c] }, results(c), model(text)]],
  ])("%s", async (_name, rewrite) => {
    const world = createWorld(17);
    const talks = ["ann", "bob"].map(async (name) => {
      const { ask } = person(world, name);
      const [a, b, c] = [makeCall(world, "weather"), makeCall(world, "time"), makeCall(world, "weather")];
      const first = await ask([user("Oslo?")], { id: nextAnswerId(), calls: [a, b] });
      const past = [user("Oslo?"), model(first), results(a, b)];
      const second = await ask(past, { id: nextAnswerId(), calls: [c] }, { after: first.id });
      const text = await ask([...past, model(second), results(c)], says(`Cold, ${name}.`), { after: second.id });
      const anew = [user("Oslo?"), ...rewrite({ a, b, c, text }), user("Thanks")];
      return ask(anew, says("Bye."), { after: text.id });
    });
    const last = await Promise.all(talks);
    expect(await world.judge()).toMatchObject({ ...clean, linked: 6, continued: 6 });
    expect(last.map((answer) => world.find(answer).trace.turn)).toEqual([4, 4]);
    expect(last.map((answer) => world.find(answer).trace.linkedBy)).toEqual(["history", "history"]);
  });
});

describe("a tool loop", () => {
  it("brings results one by one: each run is told once", async () => {
    const world = createWorld(9);
    const makeId = createIds(world.random, "random");
    const { ask } = person(world, "ann");
    const calls = ["weather", "time"].map((name) => ({ id: makeId(name, 0), name, arguments: { city: "Oslo" } }));
    const plan = await ask([user("Oslo?")], { id: nextAnswerId(), calls });
    const results = calls.map((call) => ({ call, result: `${call.name}: fine` }));
    const half: Said[] = [user("Oslo?"), model(plan), { by: "tools", results: results.slice(0, 1) }];
    await ask(half, says("And the time?"), { after: plan.id });
    const whole: Said[] = [user("Oslo?"), model(plan), { by: "tools", results }];
    await ask(whole, says("Fine."), { after: plan.id });
    const verdict = await world.judge();
    expect(verdict).toMatchObject({ ...clean, linked: 2 });
    expect(verdict.spans.map(({ name, input, output }) => ({ name, input, output }))).toEqual([
      { name: "weather", input: { city: "Oslo" }, output: "weather: fine" },
      { name: "time", input: { city: "Oslo" }, output: "time: fine" },
    ]);
  });

  it("goes on from a stream that was left", async () => {
    const world = createWorld(10);
    const { ask } = person(world, "ann");
    const left = await ask([user("Tell")], says("Once upon a time"), { isStreamed: true, leavesAfter: 5 });
    // What had come is what is sent back: four letters behind the role.
    const heard = { ...left, text: "Once" };
    const next = await ask([user("Tell"), model(heard), user("Go on")], says("there was"), { after: left.id });
    const verdict = await world.judge();
    expect(world.find(left).outcome).toBe("cancelled");
    expect(world.find(next).trace.linkedBy).toBe("history");
    expect(verdict).toMatchObject({ ...clean, linked: 1 });
  });
});

describe("attempts", () => {
  const refused = { status: 503 };

  it("of people who say the same at the same time are told apart where it is known who they are", async () => {
    const world = createWorld(11);
    await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const { ask } = person(world, `p${index}`, { userId: `u${index}` });
        const first = await ask([user("Hi")], says(""), { ...refused, headers: { "x-stainless-retry-count": "0" } });
        await ask([user("Hi")], says("Hello!"), {
          headers: { "x-stainless-retry-count": "1" },
          retryOf: first.id,
        });
      }),
    );
    const verdict = await world.judge();
    expect(verdict).toMatchObject(clean);
    expect(verdict.calls.filter(({ request }) => request.retryOf !== undefined)).toHaveLength(6);
  });

  it("by key, whatever else is the same", async () => {
    const world = createWorld(12);
    await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const { ask } = person(world, `p${index}`);
        const headers = { "idempotency-key": `key-${index}` };
        const first = await ask([user("Hi")], says(""), { ...refused, headers });
        await ask([user("Hi")], says("Hello!"), { headers, retryOf: first.id });
      }),
    );
    const verdict = await world.judge();
    expect(verdict).toMatchObject(clean);
    expect(verdict.calls.filter(({ request }) => request.retryOf !== undefined)).toHaveLength(6);
  });

  it("in traces that the app keeps apart are calls of their own", async () => {
    const world = createWorld(13);
    const first = await person(world, "ann", { traceId: "t1" }).ask([user("Hi")], says(""), refused);
    await person(world, "bob", { traceId: "t2" }).ask([user("Hi")], says("Hello!"));
    expect(await world.judge()).toMatchObject(clean);
    expect(world.find(first).request.attempt).toBe(1);
  });

  it("equal calls at the same time are no attempts", async () => {
    const world = createWorld(14);
    const people = Array.from({ length: 5 }, (_, index) => person(world, `p${index}`));
    await Promise.all(people.map(({ ask }) => ask([user("Hi")], says(""), { ...refused, atOnce: 5 })));
    const verdict = await world.judge();
    expect(verdict).toMatchObject(clean);
    expect(new Set(verdict.calls.map(({ request }) => request.logicalCallId)).size).toBe(5);
  });
});

describe("what a user says is told once", () => {
  it.each(DIALECTS.filter(({ stores }) => stores !== "items" && stores !== "conversation"))(
    "over tools, an answer made again, attempts: $name",
    async (dialect) => {
      const world = createWorld(15);
      const { ask } = person(world, "ann", {}, dialect);
      const stores = dialect.stores === "previous";
      const call = { id: "call_1a2b3c4d5e6f7a8b", name: "weather", arguments: {} };
      const one = await ask([user("Hi")], says("Hello!"));
      const more = (answer: Answer): Partial<Sent> => (stores ? { stored: { previousId: answer.id } } : {});
      const past = [user("Hi"), model(one)];
      const then = stores ? [] : past;
      const asked = { id: nextAnswerId(), calls: [call] };
      await ask([...then, user("Oslo?")], says(""), { ...refusedBy(), ...more(one) });
      const two = await ask([...then, user("Oslo?")], asked, { ...more(one) });
      const back: Said = { by: "tools", results: [{ call, result: "rain" }] };
      const three = await ask(
        [...(stores ? [] : [...past, user("Oslo?"), model(two)]), back],
        says("Rain."),
        more(two),
      );
      await world.judge();
      expect([one, two, three].map((answer) => world.find(answer).trace.newUserMessages)).toEqual([1, 0, 0]);
    },
  );

  it("an answer that is made again goes on from the same answer, and brings nothing new", async () => {
    const world = createWorld(16);
    const { ask } = person(world, "ann", { userId: "ann" });
    const one = await ask([user("Hi")], says("Hello!"));
    const question = [user("Hi"), model(one), user("Oslo?")];
    const answers = [says("Rain."), says("Sun.")];
    for (const answer of answers) await ask(question, answer, { after: one.id });
    const edited = await ask([user("Hi"), model(one), user("Rome?")], says("Sun."), { after: one.id });
    expect(await world.judge()).toMatchObject({ ...clean, linked: 3 });
    expect([...answers, edited].map((answer) => world.find(answer).trace.newUserMessages)).toEqual([1, 0, 1]);
  });
});

function refusedBy(): Partial<Sent> {
  return { status: 503 };
}
