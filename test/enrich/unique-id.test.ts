import { describe, expect, it } from "vitest";
import { isUniqueId } from "../../src/enrich/unique-id.ts";

describe("an id that nobody else has", () => {
  it.each([
    ["OpenAI", "call_dnXQ4WsNvF9ygmzZPMfzDZg2"],
    ["Anthropic", "toolu_01A09q90qw90lq917835lq9"],
    ["Bedrock", "tooluse_kZJMlvQmRJ6eAyJE5GIl7Q"],
    ["Mistral", "D681PevKs"],
    ["vLLM", "chatcmpl-tool-3d5f0a7b9c2e4d618f7a6b5c4d3e2f10"],
    ["a UUID", "123e4567-e89b-42d3-a456-426614174000"],
    ["DeepSeek", "call_0_1b9a6c1e-7d2f-4a3b-8c5d-6e7f8a9b0c1d"],
    ["Gemini, by way of OpenAI's API", "function-call-5481298361046517393"],
    ["Cohere", "get_weather_7tq2x1m4k9pz"],
  ])("of %s: %s", (_name, id) => {
    expect(isUniqueId(id, "get_weather")).toBe(true);
  });

  it.each([
    ["call_0"],
    ["functions.get_weather:0"],
    ["get_weather-1"],
    ["call_getWeatherForTheCity_0"],
    ["call-000001"],
    ["toolcall0000001"],
    ["search-20260101"],
    ["call_20260101T103000Z"],
    ["call-2026-01-01T10-30-00Z"],
    ["call_1790000000123"],
    ["call_1790000000123456789"],
    ["call_00000000000000000001"],
    ["call_abcd"],
    ["call_12345678"],
    ["get_weather"],
    ["getWeather2Cities_1"],
    [""],
  ])("is not %s", (id) => {
    expect(isUniqueId(id, "getWeather2Cities")).toBe(false);
  });
});
