/** Bodies as an OpenAI-compatible server sends them. Made here, so that no recording is needed. */

const WORDS =
  "the tap hears each call while its bytes flow by and never holds one back so that an app runs as it would without".split(
    " ",
  );

/** Plain words, the same for the same seed. */
export function makeText(length, seed = 1) {
  let state = seed;
  const words = [];
  for (let size = 0; size < length;) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const word = WORDS[state % WORDS.length];
    words.push(word);
    size += word.length + 1;
  }
  return words.join(" ").slice(0, length);
}

export function makeChatRequest({ length = 600, stream = false, model = "gpt-4.1-mini" } = {}) {
  return {
    model,
    temperature: 0.2,
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: makeText(length, 7) },
    ],
    ...(stream && { stream: true, stream_options: { include_usage: true } }),
  };
}

/** Text as an agent has it: with line breaks, quotes and code. */
function makeNote(length, seed) {
  return makeText(length, seed).replaceAll(" and ", '\n- "and" ').replaceAll(" app ", " `app` ");
}

/**
 * What an agent sends on its way: `turns` times a question, a call of a tool, its result and an answer, and 20 tools.
 *
 * @param options.seed - another conversation, with the same tools
 */
function makeAgentRequest({ turns = 40, model = "gpt-4.1-mini", seed = 0 } = {}) {
  const messages = [{ role: "system", content: makeNote(4000, 1) }];
  for (let turn = 0; turn < turns; turn += 1) {
    const id = `call_bench${seed}x${turn}aB3dE5fG7hJ9kL1mN`;
    const call = {
      id,
      type: "function",
      function: { name: `tool_${turn % 20}`, arguments: `{"query":"${turn}","limit":5}` },
    };
    messages.push(
      { role: "user", content: makeNote(200, turn + 2 + seed) },
      { role: "assistant", content: null, tool_calls: [call] },
      {
        role: "tool",
        tool_call_id: id,
        content: JSON.stringify({ rows: [{ id: turn, text: makeNote(1200, turn + 90 + seed) }] }),
      },
      { role: "assistant", content: makeNote(400, turn + 300 + seed) },
    );
  }
  messages.push({ role: "user", content: "And now?" });
  const tools = Array.from({ length: 20 }, (_, index) => ({
    type: "function",
    function: {
      name: `tool_${index}`,
      description: makeNote(300, index + 500),
      parameters: {
        type: "object",
        properties: {
          query: { type: "string", description: makeNote(80, index) },
          limit: { type: "integer", minimum: 1, maximum: 50 },
          filters: {
            type: "array",
            items: { type: "object", properties: { field: { type: "string" }, value: { type: "string" } } },
          },
        },
        required: ["query"],
      },
    },
  }));
  return { model, messages, tools, tool_choice: "auto" };
}

const usage = {
  prompt_tokens: 120,
  completion_tokens: 320,
  total_tokens: 440,
  prompt_tokens_details: { cached_tokens: 64, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
};

/** @param bytes about how long the body is */
export function makeChatResponse({ bytes = 2048, model = "gpt-4.1-mini-2025-04-14" } = {}) {
  const answer = (content) => ({
    id: "chatcmpl-bench-1",
    object: "chat.completion",
    created: 1760000000,
    model,
    choices: [
      { index: 0, message: { role: "assistant", content, refusal: null }, logprobs: null, finish_reason: "stop" },
    ],
    usage,
    service_tier: "default",
    system_fingerprint: "fp_bench",
  });
  const rest = JSON.stringify(answer("")).length;
  return JSON.stringify(answer(makeText(Math.max(1, bytes - rest), 3)));
}

/** @returns the events of a stream, `[DONE]` included */
export function makeChatChunks({ count = 200, model = "gpt-4.1-mini-2025-04-14" } = {}) {
  const event = (choices, more = {}) =>
    `data: ${JSON.stringify({ id: "chatcmpl-bench-2", object: "chat.completion.chunk", created: 1760000000, model, service_tier: "default", system_fingerprint: "fp_bench", choices, ...more })}\n\n`;
  const choice = (delta, finish = null) => [{ index: 0, delta, logprobs: null, finish_reason: finish }];
  const events = [event(choice({ role: "assistant", content: "", refusal: null }))];
  for (let index = 0; index < count - 4; index += 1) {
    events.push(event(choice({ content: ` ${WORDS[index % WORDS.length]}` })));
  }
  events.push(event(choice({}, "stop")), event([], { usage }), "data: [DONE]\n\n");
  return events;
}

/** An image as base64, in the body of an answer. @param bytes of the whole body */
export function makeImageResponse(bytes) {
  const data = Buffer.alloc(Math.floor((bytes * 3) / 4));
  for (let index = 0, state = 1; index < data.length; index += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data.writeUInt32LE(state, Math.min(index, data.length - 4));
  }
  return JSON.stringify({
    created: 1760000000,
    data: [{ b64_json: data.toString("base64") }],
    usage: { input_tokens: 50, output_tokens: 4160, total_tokens: 4210 },
  });
}

export function makeEmbeddingsResponse({ count = 2048, dimensions = 3072 } = {}) {
  let state = 5;
  const data = Array.from({ length: count }, (_, index) => ({
    object: "embedding",
    index,
    embedding: Array.from({ length: dimensions }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Number((state / 2 ** 32 - 0.5).toFixed(8));
    }),
  }));
  return JSON.stringify({
    object: "list",
    data,
    model: "text-embedding-3-large",
    usage: { prompt_tokens: 8192, total_tokens: 8192 },
  });
}

/** Of one agent. */
const CALLS = 20;

/**
 * Agents that work side by side. Each sends back what it was answered, and adds what its tool has said or what it is
 * asked next; after so many calls another one begins.
 *
 * @returns runs the next call; `call` sends a request and gives the message that came
 */
export function makeAgents({ turns, model, calls, atOnce }) {
  const length = Math.ceil(calls / CALLS) + atOnce;
  const waiting = Array.from({ length }, (_, seed) => makeAgent({ turns, model, seed }));
  const free = [];
  return async (call) => {
    const agent = free.shift() ?? waiting.shift();
    agent.messages.push(await call({ ...agent.others, messages: [...agent.messages] }));
    agent.messages.push(makeNext(agent));
    if ((agent.left -= 1) > 0) free.push(agent);
  };
}

function makeAgent({ turns, model, seed }) {
  const { messages, ...others } = makeAgentRequest({ turns, model, seed: seed * 1_000 });
  return { messages, others, seed, left: CALLS };
}

/** The result of the tool that was asked for, else a question. */
function makeNext({ messages, seed, left }) {
  const text = makeNote(1200, seed * CALLS + left);
  const call = messages.at(-1).tool_calls?.[0];
  return call === undefined
    ? { role: "user", content: text.slice(0, 200) }
    : { role: "tool", tool_call_id: call.id, content: JSON.stringify({ rows: [{ id: left, text }] }) };
}

/** What an agent is answered: a question with a call of a tool, its result with a text. */
export function makeAgentResponse(request, { bytes = 2048, id }) {
  const body = makeChatResponse({ bytes });
  if (request.lastIndexOf('"role":"tool"') > request.lastIndexOf('"role":"user"')) return body;
  const { choices, ...others } = JSON.parse(body);
  const { content, ...message } = choices[0].message;
  const called = {
    id: `call_${id}aB3dE5fG7hJ9kL1mN`,
    type: "function",
    function: { name: "tool_7", arguments: JSON.stringify({ query: content, limit: 5 }) },
  };
  const choice = {
    ...choices[0],
    message: { ...message, content: null, tool_calls: [called] },
    finish_reason: "tool_calls",
  };
  return JSON.stringify({ ...others, choices: [choice] });
}
