import { describe, expect, it } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import { thrown } from "../support/connections.ts";

const UPSTASH = {
  UPSTASH_REDIS_REST_URL: "https://upstash.example",
  UPSTASH_REDIS_REST_TOKEN: "upstash-token",
};
const KV = { KV_REST_API_URL: "https://kv.example", KV_REST_API_TOKEN: "kv-token" };
const PLAIN = { REDIS_URL: "redis://plain.example:6380/2" };

describe("where Redis comes from", () => {
  it("is the options before everything", () => {
    const config = resolveConfig(
      { redis: "redis://option.example" },
      { ...UPSTASH, ...KV, ...PLAIN },
    );
    expect(config.target).toMatchObject({ kind: "standalone", host: "option.example", port: 6379 });
    expect(config.source).toBe("options");
  });

  it("is Upstash before KV and REDIS_URL", () => {
    const config = resolveConfig({}, { ...UPSTASH, ...KV, ...PLAIN });
    expect(config.target).toMatchObject({
      kind: "rest",
      host: "upstash.example",
      token: "upstash-token",
    });
    expect(config.source).toBe("UPSTASH_REDIS_REST_URL");
  });

  it("is KV before REDIS_URL", () => {
    const config = resolveConfig({}, { ...KV, ...PLAIN });
    expect(config.target).toMatchObject({ kind: "rest", host: "kv.example", token: "kv-token" });
    expect(config.source).toBe("KV_REST_API_URL");
  });

  it("is REDIS_URL before nothing", () => {
    const config = resolveConfig({}, PLAIN);
    expect(config.target).toMatchObject({
      kind: "standalone",
      host: "plain.example",
      port: 6380,
      db: 2,
    });
    expect(config.source).toBe("REDIS_URL");
  });

  it.each([{}, { NODE_ENV: "test" }, { NODE_ENV: "development" }, { NODE_ENV: "staging" }])(
    "is memory with nothing configured under %j",
    (env) => {
      expect(resolveConfig({}, env).target).toEqual({ kind: "memory" });
    },
  );

  it("is memory with redis: false, whatever the environment says", () => {
    expect(resolveConfig({ redis: false }, { ...UPSTASH, ...PLAIN }).target).toEqual({
      kind: "memory",
    });
  });

  it("is not read from half a pair of a source that another one beats", () => {
    expect(resolveConfig({}, { ...UPSTASH, KV_REST_API_URL: "https://half" }).source).toBe(
      "UPSTASH_REDIS_REST_URL",
    );
    expect(
      resolveConfig({ redis: "redis://a" }, { UPSTASH_REDIS_REST_URL: "https://half" }).source,
    ).toBe("options");
  });

  it("is REDIS_URL where the option `redis` gives TLS settings but no URL", () => {
    const config = resolveConfig(
      { redis: { servername: "other.example" } },
      { REDIS_URL: "rediss://plain.example" },
    );
    expect(config.target).toMatchObject({ host: "plain.example", tls: true });
    expect(config.tls.servername).toBe("other.example");
  });

  it.each([
    ["nothing is set", {}, {}],
    ["redis: false", { redis: false }, PLAIN],
    ["all variables are blank", {}, { REDIS_URL: "  ", UPSTASH_REDIS_REST_URL: "" }],
  ] as [string, KitOptions, Record<string, string>][])(
    "is an error in production where %s, and the fix says what to set",
    (_why, options, env) => {
      const error = thrown(() => resolveConfig(options, { ...env, NODE_ENV: "production" }));
      expect(error.code).toBe("REDIS_NOT_CONFIGURED");
      expect(error.fix).toMatch(/REDIS_URL=rediss:.*UPSTASH_REDIS_REST_URL.*createKit/);
    },
  );

  it.each([
    ["UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN", "https://h"],
    ["UPSTASH_REDIS_REST_TOKEN", "UPSTASH_REDIS_REST_URL", "tok3n-secret"],
    ["KV_REST_API_URL", "KV_REST_API_TOKEN", "https://h"],
    ["KV_REST_API_TOKEN", "KV_REST_API_URL", "tok3n-secret"],
  ])("is an error where %s is set without %s", (given, missing, value) => {
    const error = thrown(() => resolveConfig({}, { [given]: value, ...PLAIN }));
    expect(error.code).toBe("INVALID_ENVIRONMENT");
    expect(error.message).toContain(missing);
    expect(error.message).not.toContain("tok3n-secret");
  });
});

describe("the scheme decides, not the variable's name", () => {
  it("makes REST of https:// in REDIS_URL with REDIS_TOKEN", () => {
    const config = resolveConfig({}, { REDIS_URL: "https://rest.example/", REDIS_TOKEN: "t" });
    expect(config.target).toEqual({
      kind: "rest",
      url: "https://rest.example",
      host: "rest.example",
      token: "t",
    });
    expect(config.deadline).toBe(1000);
  });

  it("asks for the token of https:// in REDIS_URL without one", () => {
    const error = thrown(() => resolveConfig({}, { REDIS_URL: "https://rest.example" }));
    expect(error).toMatchObject({
      code: "INVALID_REDIS_URL",
      fix: expect.stringContaining("REDIS_TOKEN"),
    });
  });

  it("makes a TCP connection of rediss:// in UPSTASH_REDIS_REST_URL", () => {
    const env = { ...UPSTASH, UPSTASH_REDIS_REST_URL: "rediss://upstash.example" };
    expect(resolveConfig({}, env).target).toMatchObject({
      kind: "standalone",
      tls: true,
      password: "upstash-token",
    });
  });

  it("takes REDIS_TOKEN as the password where the URL holds none", () => {
    expect(resolveConfig({}, { REDIS_URL: "rediss://h", REDIS_TOKEN: "t" }).target).toMatchObject({
      password: "t",
    });
    expect(
      resolveConfig({}, { REDIS_URL: "rediss://:own@h", REDIS_TOKEN: "t" }).target,
    ).toMatchObject({ password: "own" });
  });
});

describe("the other variables", () => {
  it("SESSION_SECRET is a list: the first signs, all verify", () => {
    expect(resolveConfig({}, { SESSION_SECRET: " new , old" }).secrets).toEqual(["new", "old"]);
    expect(resolveConfig({ secret: "mine" }, { SESSION_SECRET: "env" }).secrets).toEqual(["mine"]);
    expect(resolveConfig({ secret: ["a,b", "c"] }, {}).secrets).toEqual(["a,b", "c"]);
    expect(resolveConfig({}, { SESSION_SECRET: " " }).secrets).toBeUndefined();
  });

  it.each(["n3wSecret,,0ldSecret", ",", "n3wSecret,"])(
    "SESSION_SECRET=%s is an error that names it",
    (list) => {
      const error = thrown(() => resolveConfig({}, { SESSION_SECRET: list }));
      expect(["INVALID_ENVIRONMENT", "INVALID_OPTION"]).toContain(error.code);
      expect(error.message).toContain("SESSION_SECRET");
      expect(error.message).not.toMatch(/n3wSecret|0ldSecret/);
    },
  );

  it.each([
    ["true", true],
    ["TRUE", true],
    ["1", true],
    ["false", false],
    ["0", false],
    ["", false],
  ])("SKIP_REDIS_WARNING=%s makes quiet %s", (value, quiet) => {
    expect(resolveConfig({}, { SKIP_REDIS_WARNING: value }).quiet).toBe(quiet);
  });

  it("SKIP_REDIS_WARNING with another value is an error that names it", () => {
    const error = thrown(() => resolveConfig({}, { SKIP_REDIS_WARNING: "ture" }));
    expect(error.code).toBe("INVALID_ENVIRONMENT");
    expect(error.message).toContain("SKIP_REDIS_WARNING");
  });

  it("NODE_ENV=test is quiet, NODE_ENV=development is not", () => {
    expect(resolveConfig({}, { NODE_ENV: "test" }).quiet).toBe(true);
    expect(resolveConfig({}, { NODE_ENV: "development" }).quiet).toBe(false);
  });

  it("are read from the environment given, not from the process's", () => {
    process.env["REDIS_URL"] = "redis://process.example";
    try {
      expect(resolveConfig({}, {}).target).toEqual({ kind: "memory" });
    } finally {
      delete process.env["REDIS_URL"];
    }
  });
});

describe("defaults", () => {
  it("are 250 ms over TCP, 3 s to connect, no namespace, no trusted proxy", () => {
    const config = resolveConfig({}, PLAIN);
    expect(config).toMatchObject({ deadline: 250, connectDeadline: 3000, namespace: "" });
    expect(config.trust("127.0.0.1", 0)).toBe(false);
    expect(config.verifyTls).toBe(true);
  });
});
