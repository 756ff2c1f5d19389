import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { createKit, type KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import { parseRedisUrl } from "../../src/config/redis-url.ts";
import { thrown } from "../support/connections.ts";

const production = (options: KitOptions, env: Record<string, string> = {}) =>
  resolveConfig(options, { ...env, NODE_ENV: "production" });

describe("the fix that an error names", () => {
  it.each([
    "redis://10.0.0.5",
    "redis://Redis.Railway.Internal",
    "redis://[fd00::1]:7000",
    "redis://redis_1",
    "redis+sentinel://10.0.0.7/main",
  ])("for plaintext to %s is accepted when it is followed to the letter", (redis) => {
    const { fix } = thrown(() => production({ redis }));
    const [, forEnv, forOption] = /REDIS_ALLOW_PLAINTEXT=(\S+) or .*\['(.*)'\]/.exec(fix)!;
    expect(production({ redis }, { REDIS_ALLOW_PLAINTEXT: forEnv! }).warnings).toHaveLength(1);
    expect(production({ redis, allowPlaintext: [forOption!] }).warnings).toHaveLength(1);
  });

  it("for a certificate that is not verified is accepted when it is followed to the letter", () => {
    const redis = { url: "rediss://[fd00::1]", rejectUnauthorized: false };
    const { fix } = thrown(() => production({ redis }));
    const [, host] = /allowUnverifiedTls: \['(.*)'\]/.exec(fix)!;
    expect(production({ redis, allowUnverifiedTls: [host!] }).warnings).toHaveLength(1);
  });
});

describe("a URL in the wrong place", () => {
  it("as the options themselves is refused, and its password is not printed", () => {
    const error = thrown(() => createKit("redis://:hunter2@h" as unknown as KitOptions));
    expect(error.code).toBe("INVALID_OPTION");
    expect(inspect(error)).not.toContain("hunter2");
  });

  it.each(["namespace", "deadline", "logger", "cache", "trustProxy", "allowPlaintext"])(
    "as the option `%s` is refused, and its password is not printed",
    (name) => {
      for (const value of ["redis://:hunter2@h", ["redis://:hunter2@h"]]) {
        const error = thrown(() => production({ redis: "rediss://h", [name]: value }));
        expect(error.name).toBe("KitError");
        expect(inspect(error)).not.toContain("hunter2");
      }
    },
  );
});

describe("a URL that would be read otherwise than it was meant", () => {
  it.each([
    ["a ? in the password", "redis://user:12?34@host:6379"],
    ["a # in the password", "redis://user:12#34@host:6379"],
    ["a / in the password", "redis://user:12/34@host:6379"],
    ["a / in the password of a Sentinel", "redis+sentinel://user:12/34@host:26379"],
    ["a fragment", "redis://host:6379/0#frag"],
    ["a database after the last node of a Cluster", "redis://a:1,b:2/3"],
    ["a parameter after the last node of a Cluster", "rediss://a:1,b:2?tls=false"],
    ["credentials on the second node of a Cluster", "redis://a:1,redis://u:p@b:2"],
    ["a parameter of a REST address", "https://h?_token=abc"],
  ])("is refused: %s", (_what, url) => {
    expect(thrown(() => parseRedisUrl(url, "REDIS_URL", "token")).code).toBe("INVALID_REDIS_URL");
  });

  it("does not cost a Cluster its nodes in brackets, or a list its last comma", () => {
    expect(parseRedisUrl("rediss://[fd00::1]:1,[fd00::2]:2,", "REDIS_URL")).toMatchObject({
      nodes: [
        { host: "fd00::1", port: 1 },
        { host: "fd00::2", port: 2 },
      ],
    });
  });
});
