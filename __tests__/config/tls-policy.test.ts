import { describe, expect, it } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import { thrown } from "../support/connections.ts";

const production = (options: KitOptions, env: Record<string, string> = {}) =>
  resolveConfig(options, { ...env, NODE_ENV: "production" });

describe("production refuses plaintext", () => {
  it.each([
    ["redis://redis.example", "redis.example"],
    ["REDIS://redis.example", "redis.example"],
    ["redis://10.0.0.5", "10.0.0.5"],
    ["redis://192.168.1.7:6380", "192.168.1.7"],
    ["redis://172.16.0.1", "172.16.0.1"],
    ["redis://redis.railway.internal", "redis.railway.internal"],
    ["redis://cache.local", "cache.local"],
    ["redis://[fd00::1]", "fd00::1"],
    ["redis://[::2]", "::2"],
    ["redis://0.0.0.0", "0.0.0.0"],
    ["redis://127.0.0.1.evil.example", "127.0.0.1.evil.example"],
    ["redis://localhost.evil.example", "localhost.evil.example"],
    ["redis://[::ffff:10.0.0.5]", "::ffff:"],
    ["redis://redis:6379", "redis"],
    ["redis://127.0.0.1,redis://10.0.0.6", "10.0.0.6"],
    ["redis+sentinel://127.0.0.1,10.0.0.7/main", "10.0.0.7"],
    ["http://rest.example", "rest.example"],
  ])("for %s, naming the host and the fix", (url, host) => {
    const error = thrown(() => production({ redis: { url, token: "t0ken-secret" } }));
    expect(error.code).toBe("PLAINTEXT_REFUSED");
    expect(error.message).toContain(host);
    expect(error.fix).toMatch(/(rediss|https):\/\//);
    expect(error.fix).toContain(`REDIS_ALLOW_PLAINTEXT=${host}`);
    expect(error.fix).toContain("allowPlaintext: [");
    expect(error.message).not.toContain("t0ken-secret");
  });

  it("where only another host is excepted", () => {
    const error = thrown(() =>
      production({ redis: "redis://10.0.0.5", allowPlaintext: ["10.0.0.6"] }),
    );
    expect(error.code).toBe("PLAINTEXT_REFUSED");
  });

  it("where a part of the name is excepted", () => {
    for (const part of ["internal", "railway.internal", ".internal", "redis"]) {
      const options = { redis: "redis://redis.railway.internal", allowPlaintext: [part] };
      expect(thrown(() => production(options)).code).toBe("PLAINTEXT_REFUSED");
    }
  });
});

describe("production allows", () => {
  it.each([
    "rediss://redis.example",
    "REDISS://redis.example",
    "rediss://10.0.0.5",
    "redis://localhost",
    "redis://LOCALHOST",
    "redis://127.0.0.1",
    "redis://127.9.9.9",
    "redis://[::1]",
    "redis://[0:0:0:0:0:0:0:1]",
    "redis://[::ffff:127.0.0.1]",
    "unix:///run/redis.sock",
    "rediss://a.example,rediss://b.example",
    "rediss+sentinel://a.example/main",
  ])("%s without a word", (url) => {
    expect(production({ redis: url }).warnings).toEqual([]);
  });

  it("REST over https", () => {
    expect(production({ redis: { url: "https://h", token: "t" } }).warnings).toEqual([]);
  });

  it.each([
    ["the option", { allowPlaintext: ["redis.internal"] }, {}],
    ["the option, in capitals", { allowPlaintext: ["Redis.Internal"] }, {}],
    ["the variable", {}, { REDIS_ALLOW_PLAINTEXT: "other.internal, redis.internal" }],
  ])("a host that %s names, with one warning that names it", (_how, options, env) => {
    const { warnings } = production({ redis: "redis://redis.internal", ...options }, env);
    expect(warnings).toEqual([expect.stringMatching(/redis\.internal.*without TLS/)]);
  });

  it("several hosts with one warning each", () => {
    const { warnings } = production({
      redis: "redis://a.internal:1,redis://a.internal:2,redis://b.internal",
      allowPlaintext: ["a.internal", "b.internal"],
    });
    expect(warnings).toHaveLength(2);
  });
});

describe("the exception", () => {
  it.each(["true", "false", "TRUE", "yes", "1", "*", "*.internal", "10.0.0.0/8", "u@h"])(
    "is never a switch or a pattern: %s",
    (value) => {
      const redis = "redis://redis.internal";
      for (const attempt of [
        () => production({ redis, allowPlaintext: [value] }),
        () => production({ redis }, { REDIS_ALLOW_PLAINTEXT: value }),
        () => production({ redis: "rediss://h", allowUnverifiedTls: [value] }),
      ]) {
        const error = thrown(attempt);
        expect(["INVALID_OPTION", "INVALID_ENVIRONMENT"]).toContain(error.code);
        expect(error.message).toContain("per host");
      }
    },
  );

  it("that is wrong in the environment is an error that names the variable", () => {
    const error = thrown(() =>
      production({ redis: "redis://h" }, { REDIS_ALLOW_PLAINTEXT: "true" }),
    );
    expect(error.message).toContain("REDIS_ALLOW_PLAINTEXT");
  });

  it.each([true, "redis.internal", {}])("given as %p is an error", (value) => {
    const options = {
      redis: "redis://redis.internal",
      allowPlaintext: value,
    } as unknown as KitOptions;
    expect(thrown(() => production(options)).code).toBe("INVALID_OPTION");
  });
});

const checkServerIdentity = () => undefined;

describe("production refuses TLS that does not verify", () => {
  it.each([
    ["rejectUnauthorized: false", { rejectUnauthorized: false }, {}],
    ["checkServerIdentity", { checkServerIdentity }, {}],
    ["NODE_TLS_REJECT_UNAUTHORIZED=0", {}, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }],
  ])("because of %s, naming it, the host and the fix", (cause, weak, env) => {
    const error = thrown(() => production({ redis: { url: "rediss://h.example", ...weak } }, env));
    expect(error.code).toBe("TLS_VERIFICATION_REFUSED");
    expect(error.message).toContain(cause);
    expect(error.message).toContain("h.example");
    expect(error.fix).toMatch(/REDIS_CA.*allowUnverifiedTls: \['h\.example'\]/);
  });

  it("over REST too", () => {
    const redis = { url: "https://h", token: "t" };
    const error = thrown(() => production({ redis }, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }));
    expect(error.code).toBe("TLS_VERIFICATION_REFUSED");
  });

  it("even on loopback, where a tunnel may lead anywhere", () => {
    const redis = { url: "rediss://127.0.0.1", rejectUnauthorized: false };
    expect(thrown(() => production({ redis })).code).toBe("TLS_VERIFICATION_REFUSED");
  });

  it("unless allowUnverifiedTls names the host: then it warns once", () => {
    const config = production({
      redis: { url: "rediss://h.example", rejectUnauthorized: false },
      allowUnverifiedTls: ["H.example"],
    });
    expect(config.warnings).toEqual([expect.stringMatching(/h\.example.*not verified/)]);
    expect(config.verifyTls).toBe(false);
  });

  it("unless every host is named", () => {
    const redis = { url: "rediss://a,rediss://b", rejectUnauthorized: false };
    const error = thrown(() => production({ redis, allowUnverifiedTls: ["a"] }));
    expect(error.message).toContain("at b ");
  });

  it("and allowPlaintext does not stand for allowUnverifiedTls", () => {
    const redis = { url: "rediss://h", rejectUnauthorized: false };
    const error = thrown(() => production({ redis, allowPlaintext: ["h"] }));
    expect(error.code).toBe("TLS_VERIFICATION_REFUSED");
  });

  it("but verifies on a plain NODE_TLS_REJECT_UNAUTHORIZED=1 and a listed host", () => {
    const config = production(
      { redis: "rediss://h", allowUnverifiedTls: ["h"] },
      { NODE_TLS_REJECT_UNAUTHORIZED: "1" },
    );
    expect(config).toMatchObject({ verifyTls: true, warnings: [] });
  });
});

describe("development", () => {
  it.each(["redis://10.0.0.5", "redis://redis.example", "redis+sentinel://a/main"])(
    "allows plaintext: %s",
    (redis) => {
      expect(resolveConfig({ redis }, {}).warnings).toEqual([]);
    },
  );

  it("allows a certificate that is not verified", () => {
    const redis = { url: "rediss://h", rejectUnauthorized: false };
    expect(resolveConfig({ redis }, {}).verifyTls).toBe(false);
  });
});

describe("TLS settings", () => {
  it.each(["redis://h", "unix:///run/r.sock"])("beside %s are an error", (url) => {
    for (const env of [{ REDIS_SERVERNAME: "h" }, { REDIS_CA: "-----BEGIN" }]) {
      const error = thrown(() => resolveConfig({}, { REDIS_URL: url, ...env }));
      expect(error.code).toBe("INVALID_REDIS_URL");
    }
  });

  it.each(["REDIS_CERT", "REDIS_KEY"])("need both halves: %s alone is an error", (name) => {
    const error = thrown(() =>
      resolveConfig({}, { REDIS_URL: "rediss://h", [name]: "-----BEGIN" }),
    );
    expect(error.message).toMatch(/REDIS_CERT and REDIS_KEY/);
  });

  it("that name no file are an error that names the variable", () => {
    const error = thrown(() =>
      resolveConfig({}, { REDIS_URL: "rediss://h", REDIS_CA: "/nowhere.pem" }),
    );
    expect(error.code).toBe("INVALID_ENVIRONMENT");
    expect(error.message).toContain("REDIS_CA");
  });

  it("that name a file without PEM text are an error that says so", () => {
    const error = thrown(() =>
      resolveConfig({}, { REDIS_URL: "rediss://h", REDIS_CA: `${process.cwd()}/package.json` }),
    );
    expect(error.message).toMatch(/REDIS_CA.*PEM/);
  });

  it("may have their line breaks written out", () => {
    const { tls } = resolveConfig({}, { REDIS_URL: "rediss://h", REDIS_CA: "-----BEGIN\\nx" });
    expect(tls.ca).toBe("-----BEGIN\nx");
  });
});
