import { describe, expect, it } from "vitest";
import { countBase64Bytes } from "../../../src/abridged-text.ts";
import { modalityOf, readBase64Media, readMediaUrl } from "../../../src/parsers/shared/media.ts";

describe("readMediaUrl", () => {
  it.each([
    ["data:image/png;base64,AAAA", { type: "blob", modality: "image", mimeType: "image/png", content: "AAAA" }],
    [
      "DATA:Audio/WAV;codecs=1;BASE64,AAAA",
      { type: "blob", modality: "audio", mimeType: "audio/wav", content: "AAAA" },
    ],
    [
      "data:application/pdf;base64,JVBE",
      { type: "blob", modality: "document", mimeType: "application/pdf", content: "JVBE" },
    ],
    ["data:;base64,AAAA", { type: "blob", modality: "document", content: "AAAA" }],
    ["data:text/plain,hello", { type: "blob", modality: "document", mimeType: "text/plain" }],
    ["data:image/png", { type: "blob", modality: "document" }],
    ["https://example.com/a.png", { type: "uri", uri: "https://example.com/a.png" }],
    ["gs://bucket/a", { type: "uri", uri: "gs://bucket/a" }],
    ["", { type: "uri", uri: "" }],
  ])("%s", (url, expected) => {
    expect(readMediaUrl(url)).toEqual(expected);
  });

  it("believes the message about the modality", () => {
    expect(readMediaUrl("data:application/octet-stream;base64,AAAA", "video")).toMatchObject({ modality: "video" });
    expect(readMediaUrl("https://example.com/a", "image")).toMatchObject({ modality: "image" });
  });
});

describe("readBase64Media", () => {
  it("takes base64 and data URLs", () => {
    expect(readBase64Media("AAAA", undefined, "video/mp4")).toEqual({
      type: "blob",
      modality: "video",
      mimeType: "video/mp4",
      content: "AAAA",
    });
    expect(readBase64Media("data:image/gif;base64,R0lG", "image")).toEqual({
      type: "blob",
      modality: "image",
      mimeType: "image/gif",
      content: "R0lG",
    });
  });
});

it("modalityOf tells media from documents", () => {
  expect(["image/png", "audio/mpeg", "video/mp4", "text/csv", "image", "", undefined].map(modalityOf)).toEqual([
    "image",
    "audio",
    "video",
    "document",
    "document",
    "document",
    "document",
  ]);
});

it("countBase64Bytes counts what is decoded", () => {
  for (const text of ["", "a", "ab", "abc", "abcd", "hello"]) {
    expect(countBase64Bytes(Buffer.from(text).toString("base64"))).toBe(text.length);
  }
});
