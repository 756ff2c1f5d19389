import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { KitError, type KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import { caught, thrown } from "../support/connections.ts";

/** Options as an untyped caller passes them. */
const resolveAny = (options: unknown, env: Record<string, string> = {}) =>
  resolveConfig(options as KitOptions, env);

describe("an unknown option", () => {
  it.each([
    ["namspace", "namespace"],
    ["NAMESPACE", "namespace"],
    ["dead_line", "deadline"],
    ["allowPlainText", "allowPlaintext"],
    ["trustproxy", "trustProxy"],
    ["secrets", "secret"],
  ])("%s is answered with: did you mean %s", (given, meant) => {
    const error = thrown(() => resolveAny({ [given]: 1 }));
    expect(error.code).toBe("UNKNOWN_OPTION");
    expect(error.message).toContain(`\`${given}\``);
    expect(error.message).toContain(`Did you mean \`${meant}\`?`);
  });

  it("that resembles none gets the list", () => {
    const error = thrown(() => resolveAny({ zzzzzzzzzz: 1 }));
    expect(error.message).not.toContain("Did you mean");
    expect(error.fix).toMatch(/redis, namespace/);
  });

  it.each([
    [{ redis: { host: "h" } }, "createKit().redis"],
    [{ redis: { url: "redis://h", tls: false } }, "createKit().redis"],
    [{ cache: { scoop: "user" } }, "createKit().cache"],
  ])("inside another, as in %j, is refused too", (options, where) => {
    const error = thrown(() => resolveAny(options));
    expect(error.code).toBe("UNKNOWN_OPTION");
    expect(error.message).toContain(where);
  });

  it("named like something that every object has is refused", () => {
    for (const name of ["constructor", "toString", "hasOwnProperty"]) {
      expect(thrown(() => resolveAny({ [name]: 1 })).code).toBe("UNKNOWN_OPTION");
    }
  });
});

describe("a bad duration", () => {
  const bad = ["15 mintues", 0, Number.NaN, -1, "", Infinity, {}, "1e3s", "0s", "-5s", true, []];
  for (const name of ["deadline", "connectDeadline"]) {
    it.each(bad)(`as ${name}: %p is refused`, (value) => {
      const error = thrown(() => resolveAny({ [name]: value }));
      expect(error.code).toBe("INVALID_DURATION");
      expect(error.message).toContain(`\`${name}\``);
    });
  }

  it("with a misspelt unit is answered with the right one", () => {
    expect(thrown(() => resolveAny({ deadline: "15 mintues" })).message).toContain(
      "Did you mean '15m'?",
    );
  });

  it("that a timer cannot count is refused, for Node would fire it at once", () => {
    for (const name of ["deadline", "connectDeadline"]) {
      expect(thrown(() => resolveAny({ [name]: "30d" })).code).toBe("INVALID_DURATION");
    }
  });
});

describe("a wrong value", () => {
  it.each([
    ["options", null],
    ["options", []],
    ["options", "redis://h"],
    ["redis", { redis: null }],
    ["redis", { redis: true }],
    ["redis", { redis: 6379 }],
    ["redis", { redis: [] }],
    ["redis.url", { redis: { url: 5 } }],
    ["redis.token", { redis: { url: "redis://h", token: 5 } }],
    ["redis.ca", { redis: { url: "rediss://h", ca: 5 } }],
    ["redis.ca", { redis: { url: "rediss://h", ca: Buffer.from("-----BEGIN") } }],
    ["redis.servername", { redis: { url: "rediss://h", servername: 5 } }],
    ["redis.rejectUnauthorized", { redis: { url: "rediss://h", rejectUnauthorized: "false" } }],
    ["redis.checkServerIdentity", { redis: { url: "rediss://h", checkServerIdentity: true } }],
    ["namespace", { namespace: 5 }],
    ["namespace", { namespace: ["shop"] }],
    ["allowPlaintext", { allowPlaintext: true }],
    ["allowPlaintext", { allowPlaintext: "redis.internal" }],
    ["allowPlaintext", { allowPlaintext: [5] }],
    ["allowUnverifiedTls", { allowUnverifiedTls: true }],
    ["secret", { secret: "" }],
    ["secret", { secret: [] }],
    ["secret", { secret: ["a", ""] }],
    ["secret", { secret: 5 }],
    ["cache.scope", { cache: { scope: "shared" } }],
    ["cache", { cache: true }],
    ["deadline", { deadline: null }],
    ["connectDeadline", { connectDeadline: null }],
    ["trustProxy", { trustProxy: null }],
    ["logger", { logger: {} }],
    ["logger", { logger: { info: () => {}, warn: () => {} } }],
  ])("of %s is a KitError at construction: %j", (_name, options) => {
    const error = thrown(() => resolveAny(options));
    expect(error).toBeInstanceOf(KitError);
    expect(error.code).toMatch(/^INVALID_/);
    expect(error.fix).not.toBe("");
  });

  it("of any kind, anywhere, is either taken or a KitError, never another error", () => {
    const names = [
      "namespace",
      "deadline",
      "allowPlaintext",
      "trustProxy",
      "secret",
      "cache",
      "redis",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.anything(), (name, value) => {
        const error = caught(() => resolveAny({ [name]: value }));
        return error === undefined || error instanceof KitError;
      }),
      { numRuns: 1000 },
    );
  });

  it("of `secret` is not quoted in its error", () => {
    expect(thrown(() => resolveAny({ secret: ["hunter2", ""] })).message).not.toContain("hunter2");
  });
});

const trusted = (trustProxy: unknown, address: string, hop = 0) =>
  resolveAny({ trustProxy }).trust(address, hop);

describe("trustProxy", () => {
  it("takes Express's syntax", () => {
    expect(trusted(true, "8.8.8.8")).toBe(true);
    expect(trusted(false, "127.0.0.1")).toBe(false);
    expect(trusted(0, "127.0.0.1")).toBe(false);
    expect([trusted(2, "8.8.8.8", 1), trusted(2, "8.8.8.8", 2)]).toEqual([true, false]);
    expect(trusted("loopback", "127.0.0.1")).toBe(true);
    expect(trusted("loopback, 10.0.0.0/8", "10.1.2.3")).toBe(true);
    expect(trusted("loopback, 10.0.0.0/8", "11.1.2.3")).toBe(false);
    expect(trusted(["uniquelocal", "8.8.8.8"], "8.8.8.8")).toBe(true);
    expect(trusted(["::1"], "::1")).toBe(true);
    expect(trusted((address: string) => address === "9.9.9.9", "9.9.9.9")).toBe(true);
  });

  it.each(["true", "10.0.0.0/99", "local", "*", "", -1, 1.5, Number.NaN, {}, [5]])(
    "%p is refused, and the error shows the syntax",
    (value) => {
      const error = thrown(() => resolveAny({ trustProxy: value }));
      expect(error.code).toBe("INVALID_OPTION");
      expect(error.message).toMatch(/trustProxy.*loopback, 10\.0\.0\.0\/8/);
    },
  );
});

describe("the result", () => {
  it("is frozen through and through", () => {
    const config = resolveAny({ secret: ["a"] }, { REDIS_URL: "redis://h" });
    for (const part of [config, config.target, config.tls, config.secrets, config.warnings]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it("neither freezes nor follows the caller's own objects", () => {
    const secret = ["a"];
    const config = resolveAny({ secret });
    expect(Object.isFrozen(secret)).toBe(false);
    secret.push("b");
    expect(config.secrets).toEqual(["a"]);
  });
});
