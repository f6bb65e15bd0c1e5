import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MASK, maskSecrets, scrubUrl } from "../../src/providers/secrets.ts";

describe("credentials in URLs", () => {
  it.each([
    ["https://api.openai.com/v1/responses", "https://api.openai.com/v1/responses"],
    ["https://user:pw@host/v1?a=1", "https://host/v1?a=1"],
    ["https://user:p@w@host/v1", "https://host/v1"],
    ["https://host/v1@2?mail=a@b", "https://host/v1@2?mail=a@b"],
    [
      "https://g.example/v1:generateContent?alt=sse&key=AIza",
      `https://g.example/v1:generateContent?alt=sse&key=${MASK}`,
    ],
    ["/v1/x?access_token=abc#f", `/v1/x?access_token=${MASK}#f`],
    ["/x?api-version=2024-10-21", "/x?api-version=2024-10-21"],
    ["/x?api_key=1&apikey=2&API-KEY=3", `/x?api_key=${MASK}&apikey=${MASK}&API-KEY=${MASK}`],
    ["/x?sv=1&se=2&sp=r&sig=abc%3D", `/x?sv=1&se=2&sp=r&sig=${MASK}`],
    [
      "/x?X-Amz-Credential=a&X-Amz-Signature=b&X-Amz-Security-Token=c&X-Amz-Date=d",
      `/x?X-Amz-Credential=${MASK}&X-Amz-Signature=${MASK}&X-Amz-Security-Token=${MASK}&X-Amz-Date=d`,
    ],
    ["/x?%6Bey=abc", `/x?%6Bey=${MASK}`],
    ["/x?client_secret=a;password=b", `/x?client_secret=${MASK};password=${MASK}`],
    ["/x?key=&token", "/x?key=&token"],
    ["/x?max_tokens=5&pageToken=z&keyword=k", "/x?max_tokens=5&pageToken=z&keyword=k"],
    ["/x?%zz=1&key=2", `/x?%zz=1&key=${MASK}`],
    ["", ""],
  ])("%j becomes %j", (url, expected) => {
    expect(scrubUrl(url)).toBe(expected);
  });

  it("leaves no value of a key behind, whatever stands around it", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
        const [before, fragment] = url.split("#", 2);
        const full = `${before}${before?.includes("?") === true ? "&" : "?"}key=s3cr3t${fragment === undefined ? "" : `#${fragment}`}`;
        expect(scrubUrl(full)).not.toContain("s3cr3t");
      }),
    );
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string(), (url) => {
        expect(() => scrubUrl(`https://${url}`)).not.toThrow();
      }),
    );
  });
});

describe("credentials in bodies", () => {
  it("masks what stands under the name of a credential", () => {
    expect(
      maskSecrets({
        tools: [
          {
            type: "mcp",
            server_url: "https://m.example",
            authorization: "tok",
            headers: { Authorization: "Bearer x", "X-Team": "a" },
          },
          { type: "function", name: "f" },
        ],
        mcp_servers: [{ url: "https://m.example", authorization_token: "tok" }],
        container: { network: { domain_secrets: [{ domain: "a.example", name: "K", value: "v" }] } },
        client_secret: { value: "ek_1", expires_at: 5 },
        model: "m",
      }),
    ).toEqual({
      tools: [
        {
          type: "mcp",
          server_url: "https://m.example",
          authorization: MASK,
          headers: { Authorization: MASK, "X-Team": MASK },
        },
        { type: "function", name: "f" },
      ],
      mcp_servers: [{ url: "https://m.example", authorization_token: MASK }],
      container: { network: { domain_secrets: [{ domain: MASK, name: MASK, value: MASK }] } },
      client_secret: { value: MASK, expires_at: MASK },
      model: "m",
    });
  });

  it("gives back the very same value when there is nothing to mask, and never changes what it was given", () => {
    const clean = { a: [{ b: 1 }], c: "x" };
    expect(maskSecrets(clean)).toBe(clean);
    const tool = { type: "mcp", headers: { a: "b" }, list: [{ api_key: "k" }] };
    const copy = structuredClone(tool);
    maskSecrets(tool);
    expect(tool).toEqual(copy);
  });

  it("leaves the schema of a parameter called like a credential", () => {
    const schema = {
      type: "object",
      properties: { password: { type: "string", description: "the user's" }, headers: { type: "object" } },
    };
    expect(maskSecrets(schema)).toEqual(schema);
    expect(maskSecrets({ headers: { type: "secret-type", x: "y" } })).toEqual({ headers: { type: MASK, x: MASK } });
  });

  it("does not follow nesting without end", () => {
    let deep: unknown = { authorization: "tok" };
    for (let level = 0; level < 10_000; level++) deep = level % 2 === 0 ? [deep] : { a: deep };
    expect(() => maskSecrets(deep)).not.toThrow();
    expect(maskSecrets({ headers: deep })).not.toEqual({ headers: deep });
  });

  it("takes a key called __proto__ for a key", () => {
    const value: unknown = JSON.parse('{"__proto__": {"authorization": "tok"}, "headers": {"__proto__": "x"}}');
    const masked = maskSecrets(value) as object;
    expect(Object.getPrototypeOf(masked)).toBe(Object.prototype);
    expect(JSON.stringify(masked)).toBe(`{"__proto__":{"authorization":"${MASK}"},"headers":{"__proto__":"${MASK}"}}`);
  });
});
