/** What belongs together, and above all what does not. */
import { describe, expect, it } from "vitest";
import type { Capture, Message, Part } from "../../src/types.ts";
import { assistant, createTestLinker, text, toolCall, toolResult, user } from "./link-helpers.ts";

const random = (): string => `call_${crypto.randomUUID().replaceAll("-", "")}`;
const first = user("What is the weather?");

function traces(...asked: { call: { trace: { traceId: string } } }[]): number {
  return new Set(asked.map(({ call }) => call.trace.traceId)).size;
}

describe("by history", () => {
  it("links a conversation turn by turn", () => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")]);
    const two = ask([...one.history, user("And tomorrow?")], [text("Rain.")]);
    const three = ask([...two.history, user("Thanks")], [text("Bye.")]);
    expect(one.call.trace).toMatchObject({ turn: 1, newMessagesFrom: 0, newUserMessages: 1 });
    expect(one.call.trace).not.toHaveProperty("linkedBy");
    expect(two.call.trace).toMatchObject({
      traceId: one.call.trace.traceId,
      parentSpanId: one.call.trace.spanId,
      turn: 2,
      linkedBy: "history",
      newMessagesFrom: 2,
      newUserMessages: 1,
    });
    expect(three.call.trace).toMatchObject({ traceId: one.call.trace.traceId, turn: 3, newMessagesFrom: 4 });
  });

  it.each<[string, (said: string) => Part[]]>([
    ["trims it", (said) => [text(said.trim())]],
    ["cuts it into pieces", (said) => [text(said.slice(0, 5)), text(said.slice(5))]],
    ["adds its reasoning", (said) => [{ type: "reasoning", content: "hm" }, text(said)]],
    ["calls a refusal a text", (said) => [{ type: "refusal", content: said }]],
  ])("knows an answer again when an SDK %s", (_name, change) => {
    const { ask } = createTestLinker();
    const said = "  It is\n sunny in Oslo. \n";
    const one = ask([first], [text(said)]);
    const two = ask([first, assistant(...change(said)), user("And tomorrow?")], [text("Rain.")]);
    expect(two.call.trace).toMatchObject({ traceId: one.call.trace.traceId, linkedBy: "history" });
  });

  it.each([6, 8, 9, 15, 16, 17, 63, 64, 65, 130])("knows an answer again after %i others", (before) => {
    const { ask } = createTestLinker();
    const earlier: Message[] = [];
    for (let turn = 0; turn < before; turn += 1) earlier.push(user(`q${turn}`), assistant(text(`a${turn}`)));
    const one = ask([...earlier, first], [text("Sunny.")]);
    const two = ask([...one.history, user("And tomorrow?")], [text("Rain.")]);
    const three = ask([...two.history, user("Thanks")], [text("Bye.")]);
    expect(two.call.trace).toMatchObject({ parentSpanId: one.call.trace.spanId, linkedBy: "history" });
    expect(three.call.trace).toMatchObject({ parentSpanId: two.call.trace.spanId, linkedBy: "history" });
    // The same answer after another history.
    earlier[0] = user("another");
    expect(traces(one, ask([...earlier, first, assistant(text("Sunny.")), user("?")], [text("Rain.")]))).toBe(2);
  });

  it("is not taken in by texts that look like turns", () => {
    const { ask } = createTestLinker();
    const many = Array.from({ length: 9 }, (_, turn) => [user(`q${turn}`), assistant(text(`a${turn}`))]).flat();
    const one = ask([...many, first], [text("Sunny.")]);
    const joined = [...many.slice(0, -1), assistant(text("a8 user  text 20 What is the weather? turn 6 Sunny."))];
    expect(traces(one, ask([...joined, user("And tomorrow?")], [text("Rain.")]))).toBe(2);
  });

  it.each([[[]], [[text("")]]])("knows an answer to a request that ends with a place for it", (empty) => {
    const { ask } = createTestLinker();
    const one = ask([first, assistant(...empty)], [text("Sunny.")]);
    const two = ask([first, assistant(text("Sunny.")), user("And tomorrow?")], [text("Rain.")]);
    expect(two.call.trace).toMatchObject({ traceId: one.call.trace.traceId, turn: 2, linkedBy: "history" });
  });

  it("looks back as far as a few answers that were not seen", () => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")], { call: { context: { userId: "u" } } });
    const unseen = Array.from({ length: 3 }, (_, turn) => [user(`q${turn}`), assistant(text(`a${turn}`))]).flat();
    const two = ask([...one.history, ...unseen, user("And?")], [text("Rain.")], { call: { context: { userId: "u" } } });
    expect(two.call.trace).toMatchObject({ traceId: one.call.trace.traceId, turn: 5 });
  });

  it("takes any of several choices", () => {
    const { ask } = createTestLinker();
    const one = ask([first], [[text("Sunny.")], [text("Bright.")]]);
    const two = ask([first, assistant(text("Bright.")), user("And tomorrow?")], [text("Rain.")]);
    expect(traces(one, two)).toBe(1);
  });

  it.each<[string, (history: Message[]) => { messages: Message[]; system?: string }]>([
    ["another answer", ([question]) => ({ messages: [question as Message, assistant(text("Cloudy.")), user("?")] })],
    ["another question", ([, answer]) => ({ messages: [user("What?"), answer as Message, user("?")] })],
    ["another system prompt", (history) => ({ messages: [...history, user("?")], system: "You talk to Bob." })],
    ["a message before", (history) => ({ messages: [user("Hi"), ...history, user("?")] })],
    ["nothing of it", () => ({ messages: [user("?")] })],
  ])("does not link what has %s", (_name, change) => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")]);
    const { messages, system } = change(one.history);
    const more = system === undefined ? {} : { call: { request: { system: [text(system)] } as never } };
    const two = ask(messages, [text("Rain.")], more);
    expect(traces(one, two)).toBe(2);
    expect(two.call.trace.turn).toBe(1);
  });

  it("tells what is new without a link too: what stands behind the last answer", () => {
    const { ask } = createTestLinker();
    const shots = [user("2+2"), assistant(text("4")), user("3+3"), assistant(text("6"))];
    expect(ask([...shots, user("4+4"), user("please")], [text("8")]).call.trace).toMatchObject({
      newMessagesFrom: 4,
      newUserMessages: 2,
    });
    // A prefill is the app's own.
    expect(ask([...shots, user("5+5"), assistant(text("1"))], [text("0")]).call.trace).toMatchObject({
      newMessagesFrom: 4,
      newUserMessages: 1,
    });
  });

  it("goes on from an answer that was begun by the app, or in two calls", () => {
    const { ask } = createTestLinker();
    const one = ask([first, assistant(text("It is"))], [text(" sunny")]);
    const two = ask([first, assistant(text("It is sunny"))], [text(" today.")]);
    const three = ask([first, assistant(text("It is sunny today.")), user("Thanks")], [text("Bye.")]);
    expect(traces(one, two, three)).toBe(1);
    expect(two.call.trace).toMatchObject({ turn: 2, newMessagesFrom: 2, newUserMessages: 0 });
    expect(three.call.trace).toMatchObject({ turn: 3, parentSpanId: two.call.trace.spanId });
  });
});

describe("two people with the same words are never joined", () => {
  const system = { request: { system: [text("Be kind.")] } as never };

  it("in lock-step: nobody can tell whose answer it was", () => {
    const { ask } = createTestLinker();
    const ones = [ask([first], [text("Sunny.")], { call: system }), ask([first], [text("Sunny.")], { call: system })];
    const twos = ones.map(({ history }) => ask([...history, user("Thanks")], [text("Bye.")], { call: system }));
    const threes = twos.map(({ history }) => ask([...history, user("Again")], [text("No.")], { call: system }));
    expect(traces(...ones, ...twos, ...threes)).toBe(6);
  });

  it("one after the other: an answer that was gone on from is taken", () => {
    const { ask } = createTestLinker();
    const talk = () => {
      const one = ask([first], [text("Sunny.")]);
      const two = ask([...one.history, user("Thanks")], [text("Bye.")]);
      return [one, two];
    };
    const [ann, bob] = [talk(), talk()];
    expect([traces(...ann), traces(...bob), traces(...ann, ...bob)]).toEqual([1, 1, 2]);
  });

  it("when the first question was answered once, from a cache, for all of them", () => {
    const { ask } = createTestLinker();
    const greeting = ask([first], [text("Hello!")]);
    const users = ["a", "b", "c"].map((said) => ask([...greeting.history, user(said)], [text("Well.")]));
    expect(traces(...users)).toBe(3);
  });

  it("by the time: an answer that was not there yet is not meant", () => {
    const { ask } = createTestLinker();
    const ann = ask([first], [text("Sunny.")], { hints: { startTime: 0, endTime: 100 } });
    const bob = ask([first], [text("Sunny.")], { hints: { startTime: 10, endTime: 300 } });
    const annAgain = ask([...ann.history, user("Thanks")], [text("Bye.")], { hints: { startTime: 200, endTime: 900 } });
    const bobAgain = ask([...bob.history, user("Thanks")], [text("Bye.")], { hints: { startTime: 400, endTime: 800 } });
    expect(annAgain.call.trace.traceId).toBe(ann.call.trace.traceId);
    expect(bobAgain.call.trace.traceId).toBe(bob.call.trace.traceId);
  });

  it("by who they are", () => {
    const { ask } = createTestLinker();
    const as = (userId: string) => ({ call: { context: { userId } } });
    const ann = ask([first], [text("Sunny.")], as("ann"));
    const bob = ask([first], [text("Sunny.")], as("bob"));
    const bobAgain = ask([...bob.history, user("Thanks")], [text("Bye.")], as("bob"));
    const annAgain = ask([...ann.history, user("Thanks")], [text("Bye.")], as("ann"));
    expect([traces(ann, annAgain), traces(bob, bobAgain), traces(ann, bob)]).toEqual([1, 1, 2]);
    const carol = ask([...ann.history, user("Thanks")], [text("Bye.")], as("carol"));
    expect(traces(carol, ann, bob)).toBe(3);
  });

  it("by session, where one user has two", () => {
    const { ask } = createTestLinker();
    const as = (sessionId: string) => ({ call: { context: { userId: "ann", sessionId } } });
    const one = ask([first], [text("Sunny.")], as("s1"));
    const two = ask([...one.history, user("Thanks")], [text("Bye.")], as("s2"));
    expect(traces(one, two)).toBe(2);
  });

  it("when a turn between was not seen", () => {
    const { ask } = createTestLinker();
    ask([first], [text("Sunny.")]);
    const history = [first, assistant(text("Sunny.")), user("And?"), assistant(text("Rain.")), user("Thanks")];
    expect(ask(history, [text("Bye.")]).call.trace).toMatchObject({ turn: 1 });
  });

  it("with tool ids that everybody has", () => {
    for (const id of ["call_0", "functions.weather:0", "get_weather-1", undefined]) {
      const { ask } = createTestLinker();
      const call = toolCall(id, "weather", { city: "Oslo" });
      const ann = ask([first], [call]);
      const bob = ask([first], [call]);
      const other = ask([user("Something else")], [toolCall(id, "weather", { city: "Rome" })]);
      const bobAgain = ask([...bob.history, toolResult(id, "rain", "weather")], [text("Rain.")]);
      const otherAgain = ask([...other.history, toolResult(id, "sun", "weather")], [text("Sun.")]);
      expect(traces(ann, bob, bobAgain)).toBe(3);
      expect(bobAgain.toolRuns).toEqual([]);
      expect(otherAgain.call.trace).toMatchObject({ traceId: other.call.trace.traceId, linkedBy: "tool_result" });
    }
  });

  it("with ids that the mock of a provider repeats", () => {
    const { ask } = createTestLinker();
    const id = random();
    const ann = ask([first], [toolCall(id, "weather")]);
    const bob = ask([first], [toolCall(id, "weather")]);
    const annAgain = ask([...ann.history, toolResult(id, "rain")], [text("Rain.")]);
    expect(traces(ann, bob, annAgain)).toBe(3);
  });
});

describe("the same person may go on twice from one answer", () => {
  const as = { call: { context: { userId: "ann" } } };
  it("when it is known to be the same", () => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")], as);
    const two = ask([...one.history, user("Thanks")], [text("Bye.")], as);
    const edited = ask([...one.history, user("Thank you")], [text("Bye.")], as);
    expect(traces(one, two, edited)).toBe(1);
    expect(edited.call.trace).toMatchObject({ turn: 2, parentSpanId: one.call.trace.spanId });
  });

  it("or when the ids are", () => {
    const { ask } = createTestLinker();
    const id = random();
    const one = ask([first], [toolCall(id, "weather")]);
    const two = ask([...one.history, toolResult(id, "rain")], [text("Rain.")]);
    const branch = ask([...one.history, toolResult(id, "sun")], [text("Sun.")]);
    expect(traces(one, two, branch)).toBe(1);
    expect([two.toolRuns.length, branch.toolRuns.length]).toEqual([1, 0]);
  });

  it.each([
    ["an id that nobody else has", random(), 1],
    ["an id that others have", "call_0", 2],
  ])("or when %s stands among the newest of many turns", (_name, id, expected) => {
    const { ask } = createTestLinker();
    const plain = Array.from({ length: 10 }, (_, turn) => [user(`q${turn}`), assistant(text(`a${turn}`))]).flat();
    const tool = [user("q"), assistant(toolCall(id, "weather")), toolResult(id, "rain"), assistant(text("Rain."))];
    const one = ask([...plain, ...tool, first], [text("Sunny.")]);
    const two = ask([...one.history, user("Thanks")], [text("Bye.")]);
    const edited = ask([...one.history, user("Thank you")], [text("Bye.")]);
    expect(traces(one, two)).toBe(1);
    expect(traces(one, two, edited)).toBe(expected);
  });
});

describe("by tool results", () => {
  it("links a loop, with a run for each tool, and the time that it took", () => {
    const { ask } = createTestLinker();
    const ids = [random(), random()];
    const calls = [toolCall(ids[0], "weather", { city: "Oslo" }), toolCall(ids[1], "weather", { city: "Rome" })];
    const one = ask([first], calls, { hints: { startTime: 0, endTime: 100 } });
    const results = [toolResult(ids[1], "sun"), toolResult(ids[0], { degrees: 3 })];
    const two = ask([...one.history, ...results], [text("Well.")], { hints: { startTime: 250.5, endTime: 400 } });
    expect(two.call.trace).toMatchObject({
      traceId: one.call.trace.traceId,
      parentSpanId: one.call.trace.spanId,
      turn: 2,
      linkedBy: "tool_result",
      newMessagesFrom: 2,
      newUserMessages: 0,
    });
    const common = { name: "weather", startedAt: 100, durationMs: 150.5, parentSpanId: one.call.trace.spanId, turn: 1 };
    expect(two.toolRuns).toMatchObject([
      { ...common, callId: ids[1], arguments: { city: "Rome" }, result: "sun" },
      { ...common, callId: ids[0], arguments: { city: "Oslo" }, result: { degrees: 3 } },
    ]);
  });

  it("does so without ids, by name and order", () => {
    const { ask } = createTestLinker();
    const calls = [toolCall(undefined, "a", { n: 1 }), toolCall(undefined, "b"), toolCall(undefined, "a", { n: 2 })];
    const one = ask([first], calls);
    const results = ["a", "b", "a"].map((name, index) => toolResult(undefined, index, name));
    const two = ask([...one.history, ...results], [text("Well.")]);
    expect(two.toolRuns).toMatchObject([
      { name: "a", arguments: { n: 1 }, result: 0 },
      { name: "b", result: 1 },
      { name: "a", arguments: { n: 2 }, result: 2 },
    ]);
  });

  it("knows the ids again in a history that has changed", () => {
    const { ask } = createTestLinker();
    const id = random();
    const one = ask([user("old"), first], [text("Let me see."), toolCall(id, "weather", { city: "Oslo" })]);
    // The window has moved on, the arguments were completed, the text is gone.
    const turn = assistant(toolCall(id, "weather", { city: "Oslo", unit: "C" }));
    const two = ask([first, turn, toolResult(id, "rain")], [text("Rain.")]);
    const later = ask([first, turn, toolResult(id, "rain"), assistant(text("Rain!")), user("And?")], [text("Sun.")]);
    expect(two.call.trace).toMatchObject({ traceId: one.call.trace.traceId, linkedBy: "tool_result", turn: 2 });
    expect(later.call.trace).toMatchObject({ traceId: one.call.trace.traceId, turn: 3, newMessagesFrom: 4 });
    expect(later.toolRuns).toEqual([]);
  });

  it("but not an id without the turn that issued it", () => {
    const { ask } = createTestLinker();
    const id = random();
    const one = ask([first], [toolCall(id, "weather")]);
    const forged = ask([first, assistant(toolCall(id, "delete_all")), toolResult(id, "done")], [text("Ok.")]);
    const alone = ask([first, toolResult(id, "done")], [text("Ok.")]);
    expect(traces(one, forged, alone)).toBe(3);
  });

  it("makes up no run of a tool that has a span of its own", () => {
    const { ask, noteTool } = createTestLinker();
    const [one, other] = [random(), random()];
    const asked = ask([first], [toolCall(one, "weather"), toolCall(other, "time")]);
    noteTool({ traceId: asked.call.trace.traceId, name: "weather", startTime: asked.hints.endTime + 1 });
    const next = ask([...asked.history, toolResult(one, 1), toolResult(other, 2)], [text("Well.")]);
    expect(next.toolRuns.map(({ name }) => name)).toEqual(["time"]);
  });

  it("goes on when a result was refused: each run once", () => {
    const { ask } = createTestLinker();
    const id = random();
    const one = ask([first], [toolCall(id, "weather")]);
    const messages = [...one.history, toolResult(id, "rain")];
    const error = { outcome: "error", error: { kind: "http", status: 400, message: "no" } } as const;
    const refused = ask(messages, [], { call: { ...error, response: { status: 400, choices: [] } as never } });
    const again = ask(messages, [text("Rain.")]);
    expect(traces(one, refused, again)).toBe(1);
    expect([refused.toolRuns.length, again.toolRuns.length]).toEqual([1, 0]);
  });
});

describe("by what the provider stores", () => {
  const responses = (id: string, parameters = {}) => ({
    call: { api: "openai-responses" as const, request: { parameters } as never, response: { id } as never },
  });

  it("links previous_response_id, and knows the tools it asked for", () => {
    const { ask } = createTestLinker();
    const id = random();
    const one = ask([first], [toolCall(id, "weather", { city: "Oslo" })], responses("resp_1"));
    const two = ask([toolResult(id, "rain")], [text("Rain.")], responses("resp_2", { previous_response_id: "resp_1" }));
    const three = ask([user("Thanks")], [text("Bye.")], responses("resp_3", { previous_response_id: "resp_2" }));
    expect(traces(one, two, three)).toBe(1);
    expect(two.call.trace).toMatchObject({ turn: 2, linkedBy: "response_id", newMessagesFrom: 0, newUserMessages: 0 });
    expect(three.call.trace).toMatchObject({ turn: 3, parentSpanId: two.call.trace.spanId, newUserMessages: 1 });
    expect(two.toolRuns).toMatchObject([{ callId: id, name: "weather", result: "rain" }]);
  });

  it("may branch", () => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")], responses("resp_1"));
    const branches = ["a", "b"].map((said) =>
      ask([user(said)], [text("Ok.")], responses(said, { previous_response_id: "resp_1" })),
    );
    expect(traces(one, ...branches)).toBe(1);
  });

  it("not across hosts, and not where two answers have the id", () => {
    const { ask } = createTestLinker();
    const next = responses("resp_9", { previous_response_id: "resp_1" });
    const elsewhere = {
      call: { ...next.call, request: { ...(next.call.request as object), host: "other.example" } as never },
    };
    const one = ask([first], [text("Sunny.")], responses("resp_1"));
    expect(traces(one, ask([user("a")], [text("Ok.")], elsewhere))).toBe(2);
    const twin = ask([first], [text("Sunny.")], responses("resp_1"));
    expect(traces(one, twin, ask([user("a")], [text("Ok.")], next))).toBe(3);
  });

  it("links the calls of a conversation in a line", () => {
    const { ask } = createTestLinker();
    const in1 = { conversation: { id: "conv_1" } };
    const one = ask([first], [text("Sunny.")], responses("r1", in1));
    const two = ask([user("And?")], [text("Rain.")], responses("r2", { conversation: "conv_1" }));
    const three = ask([user("Thanks")], [text("Bye.")], responses("r3", in1));
    const other = ask([user("Thanks")], [text("Bye.")], responses("r4", { conversation: "conv_2" }));
    expect(traces(one, two, three)).toBe(1);
    expect(three.call.trace).toMatchObject({ parentSpanId: two.call.trace.spanId, turn: 3, linkedBy: "response_id" });
    expect(traces(one, other)).toBe(2);
  });

  it("links items that stand for an answer", () => {
    const { ask } = createTestLinker();
    const item = (id: string): Message => ({
      role: "user",
      parts: [{ type: "other", kind: "item_reference", content: { type: "item_reference", id } }],
    });
    const itemIds = ["rs_1f2e3d4c5b6a", "msg_6a5b4c3d2e1f"];
    const one = ask([first], [text("Sunny.")], { ...responses("r1"), hints: { itemIds } });
    const two = ask([first, ...itemIds.map(item), user("And?")], [text("Rain.")], responses("r2"));
    expect(two.call.trace).toMatchObject({
      traceId: one.call.trace.traceId,
      linkedBy: "response_id",
      newMessagesFrom: 3,
      newUserMessages: 1,
    });
  });
});

describe("what the app says wins", () => {
  it("but turns, new messages and tools are known all the same", () => {
    const { ask } = createTestLinker();
    const id = random();
    const given = { hints: { traceId: "mine", parentSpanId: "span" } };
    const one = ask([first], [toolCall(id, "weather")], given);
    const two = ask([...one.history, toolResult(id, "rain")], [text("Rain.")], given);
    expect(two.call.trace).toMatchObject({
      traceId: "mine",
      parentSpanId: "span",
      linkedBy: "context",
      turn: 2,
      newMessagesFrom: 2,
    });
    expect(two.toolRuns).toMatchObject([{ name: "weather", parentSpanId: one.call.trace.spanId }]);
    const three = ask([...two.history, user("Thanks")], [text("Bye.")], { hints: { traceId: "other" } });
    expect(three.call.trace).toMatchObject({ traceId: "other", linkedBy: "context", turn: 3 });
    expect(three.call.trace).not.toHaveProperty("parentSpanId");
  });

  it("and is gone on from by calls that say nothing", () => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")], { hints: { traceId: "mine" } });
    const two = ask([...one.history, user("Thanks")], [text("Bye.")]);
    expect(two.call.trace).toMatchObject({ traceId: "mine", linkedBy: "history" });
  });

  it("and tells equal conversations apart", () => {
    const { ask } = createTestLinker();
    const ones = ["t1", "t2"].map((traceId) => ask([first], [text("Sunny.")], { hints: { traceId } }));
    const twos = ones.map(({ history, call }) =>
      ask([...history, user("Thanks")], [text("Bye.")], { hints: { traceId: call.trace.traceId } }),
    );
    expect(twos.map(({ call }) => call.trace.turn)).toEqual([2, 2]);
  });
});

describe("calls that end in another order than they began", () => {
  it("an answer that comes late joins the call that went on from it", () => {
    const { ask } = createTestLinker();
    const id = random();
    const asked = [toolCall(id, "weather")];
    const two = ask([first, assistant(...asked), toolResult(id, "rain")], [text("Rain.")], {
      hints: { startTime: 100, endTime: 200 },
    });
    const one = ask([first], asked, { hints: { startTime: 0, endTime: 300, answerTime: 90 } });
    const three = ask([...two.history, user("Thanks")], [text("Bye.")]);
    expect(traces(one, two, three)).toBe(1);
  });

  it("but not one that began later, or fits two", () => {
    const { ask } = createTestLinker();
    const id = random();
    const asked = [toolCall(id, "weather")];
    const messages = [first, assistant(...asked), toolResult(id, "rain")];
    const two = ask(messages, [text("Rain.")], { hints: { startTime: 100, endTime: 200 } });
    expect(traces(two, ask([first], asked, { hints: { startTime: 150, endTime: 300 } }))).toBe(2);
    const twin = ask(messages, [text("Rain.")], { hints: { startTime: 110, endTime: 210 } });
    expect(traces(two, twin, ask([first], asked, { hints: { startTime: 0, endTime: 90 } }))).toBe(3);
  });

  it("goes on from a stream whose end nobody waited for", () => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")], { hints: { startTime: 0, endTime: 120 } });
    const two = ask([...one.history, user("Thanks")], [text("Bye.")], { hints: { startTime: 100, endTime: 200 } });
    expect(traces(one, two)).toBe(1);
  });
});

describe("only conversations take part", () => {
  it.each(["embeddings", "count_tokens", "moderation", "text_completion"] as const)("%s do not", (operation) => {
    const { ask } = createTestLinker();
    const one = ask([first], [text("Sunny.")]);
    const other = ask([...one.history, user("Thanks")], [], { call: { operation } });
    const two = ask([...one.history, user("Thanks")], [text("Bye.")]);
    expect(traces(one, other)).toBe(2);
    expect(traces(one, two)).toBe(1);
    expect(other.call.trace).not.toHaveProperty("newMessagesFrom");
  });

  it("and only answers that were whole", () => {
    const { ask } = createTestLinker();
    const capture: Capture = {
      via: "fetch",
      content: "truncated",
      requestTruncated: false,
      responseTruncated: true,
      notes: [],
    };
    const cut = { capture };
    const one = ask([first], [text("Sunny")], { call: cut });
    const two = ask([...one.history, user("Thanks")], [text("Bye.")]);
    expect(traces(one, two)).toBe(2);
  });
});

it("a call of a tool in a message of the user ends nothing", () => {
  const { ask } = createTestLinker();
  const said: Message = { role: "user", parts: [text("Do it"), toolCall(random(), "look_up")] };
  const one = ask([first, said], [text("Sunny.")]);
  const two = ask([...one.history, user("Thanks")], [text("Bye.")]);
  expect(traces(one, two)).toBe(1);
});
