import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { mismatch, parseTemplate, pathOf } from "../../src/cache/template.ts";
import { createKeys } from "../../src/keys.ts";
import { makeKit } from "../support/kit.ts";

const keyOf = (template: string, params: Record<string, unknown> = {}): string =>
  createKeys("").cache(pathOf(parseTemplate(template), params));

describe("a template", () => {
  it.each([
    ["brand:settings", { id: "456" }, "cache:brand:456:settings"],
    ["brand:[id]:settings", { id: "456" }, "cache:brand:456:settings"],
    ["brand", { id: "456" }, "cache:brand:456"],
    ["brand", {}, "cache:brand"],
    ["[id]", { id: "7" }, "cache:7"],
    ["a:b:c", { x: "1", y: "2" }, "cache:a:1:2:b:c"],
    ["a:[y]:[x]", { x: "1", y: "2" }, "cache:a:2:1"],
    ["v1.2-beta_x", {}, "cache:v1.2-beta_x"],
  ])("%s with %p makes %s", (template, params, key) => {
    expect(keyOf(template, params)).toBe(key);
  });

  it.each<unknown>([
    "",
    ":",
    "a:",
    ":a",
    "a::b",
    "@a",
    "a:@b",
    "a:[]",
    "a:[id",
    "a:id]",
    "a:[i d]",
    "a:[id]x",
    "a:[id]:[id]",
    "a*",
    "a b",
    "a\n",
    "ä",
    "a/b",
    null,
    undefined,
    7,
    {},
    ["a"],
  ])("refuses %p at construction", (template) => {
    const { cache } = makeKit({ redis: false });
    const invalid = expect.objectContaining({ code: "INVALID_CACHE_TEMPLATE" });
    expect(() => cache(template as string)).toThrow(invalid);
    expect(() => cache.purges(template as string)).toThrow(invalid);
  });

  it("names what a route and a template do not share", () => {
    const template = parseTemplate("brand:[id]:[tab]");
    expect(mismatch(template, { id: "1", tab: "2" })).toEqual({ unused: [], missing: [] });
    expect(mismatch(template, { id: "1", other: "2" })).toEqual({
      unused: ["other"],
      missing: ["tab"],
    });
    expect(mismatch(parseTemplate("brand"), { id: "1" })).toEqual({ unused: [], missing: [] });
  });
});

/** Strings that try to leave their segment. */
const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(":", "*", "@", "%", "/", "\r\n", "\0", "[", "a", "é", "%3A") }),
  fc.string({ unit: fc.constantFrom("\uD800", "\uDFFF", "x") }),
  fc.integer({ min: 190, max: 10_240 }).map((length) => "x".repeat(length)),
);

describe("params in keys", () => {
  it("never leave their segment, whatever they are", () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const key = keyOf("brand:[id]:settings", { id: value });
        const parts = key.split(":");
        expect(parts).toHaveLength(4);
        expect(parts[2]).toMatch(/^(@[\w-]{43}|[\w!%'().~-]{0,200})$/);
      }),
      { numRuns: 500 },
    );
  });

  it("make different keys of different values", () => {
    const wellFormed = hostile.map((value) => value.toWellFormed());
    fc.assert(
      fc.property(
        fc.tuple(wellFormed, wellFormed),
        fc.tuple(wellFormed, wellFormed),
        ([a, b], [c, d]) => {
          const isSame = a === c && b === d;
          expect(keyOf("x:[a]:[b]", { a, b }) === keyOf("x:[a]:[b]", { a: c, b: d })).toBe(isSame);
          expect(keyOf("x:y", { a, b }) === keyOf("x:y", { a: c, b: d })).toBe(isSame);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("of wildcards tell a/b from [a, b] and from a%2Fb, and stay bounded", () => {
    const keys = [["a", "b"], ["a/b"], "a/b", "a%2Fb", ["a%2Fb"], ["a", "", "b"], ["ab"], "ab"].map(
      (path) => keyOf("file:[path]", { path }),
    );
    expect(new Set([keys[0], keys[1], keys[3], keys[5], keys[6]]).size).toBe(5);
    const long = keyOf("file:[path]", { path: Array.from({ length: 3000 }, () => "ab") });
    expect(long.length).toBeLessThan(300);
    fc.assert(
      fc.property(fc.array(hostile), (path) => {
        const key = keyOf("file:[path]", { path });
        expect(key.split(":")).toHaveLength(3);
        expect(key).not.toMatch(/[*?[\]\\\s]/);
      }),
    );
  });

  it("never look like a variant's key", () => {
    const keys = createKeys("");
    fc.assert(
      fc.property(hostile, (value) => {
        const resource = keyOf("brand:[id]", { id: value });
        expect(resource).not.toMatch(/:@[\w-]{22}$/);
        expect(keys.cacheVariant(resource, "x".repeat(22))).not.toBe(resource);
      }),
    );
  });
});
