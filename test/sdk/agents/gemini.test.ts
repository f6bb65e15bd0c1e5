import { type Content, GoogleGenAI, Type } from "@google/genai";
import { type Agent, type AgentOptions, describeAgent, SYSTEM, type ToolName } from "./harness.ts";

const NAMES: readonly ToolName[] = ["get_weather", "get_time"];

function start({ baseUrl, tools: run }: AgentOptions): Agent {
  const client = new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl } });
  const functionDeclarations = NAMES.map((name) => ({
    name,
    parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } } },
  }));
  const contents: Content[] = [];
  return {
    async ask(question) {
      contents.push({ role: "user", parts: [{ text: question }] });
      for (;;) {
        const response = await client.models.generateContent({
          model: "gemini-2.5-flash",
          contents: structuredClone(contents),
          config: { systemInstruction: SYSTEM, tools: [{ functionDeclarations }] },
        });
        const { content } = response.candidates?.[0] ?? {};
        if (content !== undefined) contents.push(content);
        const calls = response.functionCalls ?? [];
        if (calls.length === 0) return response.text ?? "";
        const parts = await Promise.all(
          calls.map(async ({ name, args, id }) => ({
            functionResponse: {
              ...(id !== undefined && { id }),
              name: name ?? "",
              response: { result: await run[name as ToolName](args ?? {}) },
            },
          })),
        );
        contents.push({ role: "user", parts });
      }
    },
  };
}

describeAgent({
  name: "Gemini, a loop by hand",
  provider: "gemini",
  start,
  linkedBy: { tool: "tool_result", text: "history" },
  installs: true,
  withoutIds: true,
});
