import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { parseTemplate, pathOf } from "../../src/cache/template.ts";
import { createKeys, segment, variantHash } from "../../src/keys.ts";
import { thrown } from "../support/connections.ts";

/** Whatever a request may carry: any code unit, and the characters that could do harm more often. */
const HOSTILE = ":*@?[]\\\r\n\t\0 %/#{}~\u00a0\u2028\ud800\udfff\u00e9".split("");
const unit = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 0xffff }).map((n) => String.fromCharCode(n)) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 2 }) },
);
const short = fc.array(unit, { maxLength: 40 }).map((units) => units.join(""));
const long = fc
  .tuple(fc.array(unit, { minLength: 1, maxLength: 10 }), fc.integer({ min: 20, max: 10_000 }))
  .map(([units, length]) => units.join("").repeat(length).slice(0, 10_000));
const hostile = fc.oneof({ weight: 4, arbitrary: short }, { weight: 1, arbitrary: long });

/** What no segment may hold; the leading `@` of a hash is cut off first. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN = /[:@*?[\]\\\s\u0000-\u001f\u007f-\u009f]|[^\u0020-\u007e]/;
const isClean = (text: string): boolean => !FORBIDDEN.test(text.replace(/^@/, ""));

/** Lists compared as what they are once made well-formed. */
const wellFormed = (parts: string[]): string =>
  JSON.stringify(parts.map((part) => part.toWellFormed()));

describe("a key segment", () => {
  it("holds nothing that opens a segment, names a variant, globs, or breaks a line", () => {
    fc.assert(
      fc.property(hostile, (value) => isClean(segment(value))),
      { numRuns: 1000 },
    );
  });

  it("is at most 200 bytes long", () => {
    fc.assert(fc.property(hostile, (value) => Buffer.byteLength(segment(value)) <= 200));
  });

  it("begins with @ only where it is a hash", () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const made = segment(value);
        return !made.startsWith("@") || /^@[\w-]{43}$/.test(made);
      }),
    );
  });

  it("differs for different values, as far as they are well-formed", () => {
    fc.assert(
      fc.property(hostile, hostile, (one, other) => {
        const isSame = one.toWellFormed() === other.toWellFormed();
        return (segment(one) === segment(other)) === isSame;
      }),
      { numRuns: 1000 },
    );
  });

  it("differs for long values that differ in their last character only", () => {
    fc.assert(
      fc.property(long, (text) => segment(`${text.repeat(2)}a`) !== segment(`${text.repeat(2)}b`)),
    );
  });

  it("cannot be forged as the hash of another value", () => {
    const hash = segment("x".repeat(500));
    expect(hash).toMatch(/^@[\w-]{43}$/);
    expect(segment(hash)).not.toBe(hash);
  });

  it("does not throw for lone surrogates, and does not print them", () => {
    expect(segment("a\ud800b")).toBe("a%EF%BF%BDb");
    expect(segment("\udc00")).toBe("%EF%BF%BD");
  });

  it("keeps 200 escaped bytes as they are, and hashes 201", () => {
    expect(segment("a".repeat(200))).toBe("a".repeat(200));
    expect(segment("a".repeat(201))).toMatch(/^@[\w-]{43}$/);
    expect(segment("*".repeat(67))).toMatch(/^@/);
  });
});

describe("the keys of the design", () => {
  const keys = createKeys("");

  it("are exactly these", () => {
    const id = "550e8400-e29b-41d4-a716-446655440000";
    expect(keys.rateLimit("api", ["192.168.1.1"])).toBe("ratelimit:api:192.168.1.1");
    expect(keys.rateLimit("auth", ["192.168.1.1", "user123"])).toBe(
      "ratelimit:auth:192.168.1.1:user123",
    );
    expect(keys.session(id)).toBe(`session:${id}`);
    expect(keys.sessionPrefix).toBe("session:");
    expect(keys.userSessions("123")).toBe("user:123:sessions");
    expect(keys.cache(["brand", "456", "settings"])).toBe("cache:brand:456:settings");
    expect(keys.cacheVariant(keys.cache(["brand", "456"]), "h")).toBe("cache:brand:456:@h");
  });

  it("escape a colon that Express decoded from %3A", () => {
    expect(keys.userSessions("456:settings")).toBe("user:456%3Asettings:sessions");
  });

  it("keep their number of segments and their length within bounds, whatever the input", () => {
    fc.assert(
      fc.property(hostile, hostile, (one, other) => {
        const made: [string, number][] = [
          [keys.rateLimit("auth", [one, other]), 4],
          [keys.session(one), 2],
          [keys.userSessions(one), 3],
          [keys.cache(pathOf(parseTemplate("brand:[id]:settings"), { id: one })), 4],
          [keys.cache(pathOf(parseTemplate("brand:settings"), { id: one, page: other })), 5],
        ];
        for (const [key, count] of made) {
          const parts = key.split(":");
          expect(parts).toHaveLength(count);
          expect(parts.every(isClean)).toBe(true);
          expect(key.length).toBeLessThan(512);
        }
      }),
    );
  });

  it("keep a wildcard's parts within one clean, bounded segment", () => {
    const template = parseTemplate("files:[path]");
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 20 }), (path) => {
        const parts = keys.cache(pathOf(template, { path })).split(":");
        expect(parts).toHaveLength(3);
        expect(parts.every(isClean)).toBe(true);
        expect(parts[2]!.length).toBeLessThanOrEqual(200);
      }),
    );
  });

  it("never let one identity pass for two, or two for one", () => {
    fc.assert(
      fc.property(hostile, hostile, hostile, (a, b, c) => {
        expect(keys.rateLimit("t", [`${a}:${b}`, c])).not.toBe(keys.rateLimit("t", [a, b, c]));
        expect(keys.rateLimit("t", [`${a}:${b}`])).not.toBe(keys.rateLimit("t", [a, b]));
      }),
    );
  });

  it("never let a user's Set and another kind of key meet", () => {
    fc.assert(
      fc.property(hostile, hostile, (a, b) => {
        const made = [keys.session(a), keys.userSessions(b), keys.rateLimit("api", [a])];
        return new Set(made).size === made.length;
      }),
    );
  });
});

describe("the hash of a variant", () => {
  it("tells parts that run into one another apart", () => {
    expect(variantHash(["ab", "c"])).not.toBe(variantHash(["a", "bc"]));
    expect(variantHash(["a", ""])).not.toBe(variantHash(["a"]));
    expect(variantHash([])).not.toBe(variantHash([""]));
  });

  it("is 22 characters of base64url, whatever the input", () => {
    fc.assert(fc.property(fc.array(hostile), (parts) => /^[\w-]{22}$/.test(variantHash(parts))));
  });

  it("differs for different lists", () => {
    const list = fc.array(short, { maxLength: 4 });
    fc.assert(
      fc.property(list, list, (one, other) => {
        return (
          (variantHash(one) === variantHash(other)) === (wellFormed(one) === wellFormed(other))
        );
      }),
    );
  });
});

describe("the namespace", () => {
  it("stands before every key, with one colon", () => {
    const keys = createKeys("mixer-ai_1.0");
    const made = [
      keys.rateLimit("api", ["1"]),
      keys.session("1"),
      keys.userSessions("1"),
      keys.cache(["brand"]),
      keys.sessionPrefix,
    ];
    for (const key of made) expect(key).toMatch(/^mixer-ai_1\.0:(ratelimit|session|user|cache):/);
  });

  it.each(["a:b", "shop:", "a b", "a*", "a\n", "\n", "é", "{tag}", "@x", "a/b", "a?", "[a]"])(
    "%j is refused, and the fix says what to pass",
    (namespace) => {
      const error = thrown(() => createKeys(namespace));
      expect(error.code).toBe("INVALID_NAMESPACE");
      expect(error.fix).toMatch(/colon/);
    },
  );

  it("is refused where it holds anything but letters, digits, _ . and -", () => {
    fc.assert(
      fc.property(hostile, (namespace) => {
        if (/^[\w.-]*$/.test(namespace)) return;
        expect(thrown(() => createKeys(namespace)).code).toBe("INVALID_NAMESPACE");
      }),
    );
  });
});
