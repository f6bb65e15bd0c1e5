import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRequestBody } from "../../src/decode/request-body.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("JSON request bodies", () => {
  it.each([
    ["text", '{"model":"m"}', "application/json"],
    ["bytes", bytesOf('{"model":"m"}'), "application/json; charset=utf-8"],
    ["without a type", '{"model":"m"}', undefined],
    ["called a form", '{"model":"m"}', "application/x-www-form-urlencoded"],
    ["called text", '{"model":"m"}', "text/plain;charset=UTF-8"],
  ])("reads JSON as %s", (_, body, type) => {
    expect(decodeRequestBody(body, type)).toEqual({ value: { model: "m" }, notes: [] });
  });

  it("notes JSON that does not parse", () => {
    expect(decodeRequestBody('{"model":', "application/json")).toEqual({
      value: undefined,
      notes: ["invalid_request_json"],
    });
  });

  it("says nothing about a body that never was JSON", () => {
    expect(decodeRequestBody("hello", "text/html")).toEqual({ value: undefined, notes: [] });
    expect(decodeRequestBody(undefined, "application/json")).toEqual({ value: undefined, notes: [] });
    expect(decodeRequestBody("", undefined)).toEqual({ value: undefined, notes: [] });
  });

  it("reads what can be read of a body of which only a part was kept", () => {
    const body = '{"messages":[{"role":"user","content":"a very long';
    expect(decodeRequestBody(body, "application/json", { truncated: true }).value).toEqual({
      messages: [{ role: "user", content: "a very long" }],
    });
    const tail = ' question"}],"model":"m","stream":true}';
    expect(decodeRequestBody(body, "application/json", { truncated: true, tail }).value).toMatchObject({
      model: "m",
      stream: true,
    });
    expect(decodeRequestBody(bytesOf(body), undefined, { truncated: true, tail: bytesOf(tail) }).value).toMatchObject({
      model: "m",
    });
  });
});

describe("forms", () => {
  function form(parts: readonly string[], boundary = "b0undary"): string {
    return `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join("")}--${boundary}--\r\n`;
  }
  const type = "multipart/form-data; boundary=b0undary";

  it("keeps text fields, and of files only name, type and size", () => {
    const body = form([
      'Content-Disposition: form-data; name="model"\r\n\r\nwhisper-1',
      'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n\r\n1234',
      'Content-Disposition: form-data; name="prompt"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\nzwei',
    ]);
    expect(decodeRequestBody(body, type)).toEqual({
      value: {
        model: "whisper-1",
        file: { filename: "a.wav", mimeType: "audio/wav", bytes: 12 },
        prompt: "Grüße\r\nzwei",
      },
      notes: [],
    });
  });

  it("reads a form that FormData wrote", async () => {
    const data = new FormData();
    data.set("model", "gpt-image-1");
    data.append("image[]", new Blob(["abc"], { type: "image/png" }), "a.png");
    data.append("image[]", new Blob(["defg"], { type: "image/png" }), "b.png");
    const response = new Response(data);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(decodeRequestBody(bytes, response.headers.get("content-type") ?? "")).toEqual({
      value: {
        model: "gpt-image-1",
        image: [
          { filename: "a.png", mimeType: "image/png", bytes: 3 },
          { filename: "b.png", mimeType: "image/png", bytes: 4 },
        ],
      },
      notes: [],
    });
  });

  it("reads quoted boundaries, bare line feeds and repeated fields", () => {
    const body = form(
      ['content-disposition: form-data; name="a"\r\n\r\n1', "Content-Disposition: form-data; name=a\r\n\r\n2"],
      "x y",
    ).replaceAll("\r\n", "\n");
    expect(decodeRequestBody(body, 'multipart/form-data; boundary="x y"').value).toEqual({ a: ["1", "2"] });
  });

  it("reads as far as a form goes that was cut off", () => {
    const body = form([
      'Content-Disposition: form-data; name="model"\r\n\r\nm',
      'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\nxx',
    ]);
    const { value, notes } = decodeRequestBody(body.slice(0, -16), type);
    expect(value).toMatchObject({ model: "m" });
    expect(notes).toEqual(["truncated_form"]);
  });

  it("notes a form without its boundary", () => {
    expect(decodeRequestBody("x", "multipart/form-data").notes).toEqual(["invalid_form"]);
    expect(decodeRequestBody("x", type).notes).toEqual(["invalid_form"]);
  });

  it("takes names of fields for what they are", () => {
    const body = form(['Content-Disposition: form-data; name="__proto__"\r\n\r\nx']);
    const { value } = decodeRequestBody(body, type);
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect(({} as { x?: string }).x).toBeUndefined();
  });

  it("reads url-encoded fields", () => {
    expect(decodeRequestBody("model=m&input=a+b%21&tag[]=1", "application/x-www-form-urlencoded").value).toEqual({
      model: "m",
      input: "a b!",
      tag: ["1"],
    });
  });

  it("never throws", () => {
    const types = fc.constantFrom(
      undefined,
      "application/json",
      type,
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=-",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.uint8Array(),
          fc.string().map((text) => form([text])),
        ),
        types,
        (body, contentType) => {
          expect(() => decodeRequestBody(body, contentType)).not.toThrow();
        },
      ),
    );
  });
});
