import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { KitError } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import { describeTarget, type Target } from "../../src/config/redis-target.ts";
import { parseRedisUrl } from "../../src/config/redis-url.ts";
import { caught, thrown } from "../support/connections.ts";

const parse = (text: string, token?: string) => parseRedisUrl(text, "REDIS_URL", token);

describe("a Redis URL", () => {
  it.each([
    ["redis://h", { kind: "standalone", host: "h", port: 6379, db: 0, tls: false }],
    ["REDISS://H:7000", { kind: "standalone", host: "h", port: 7000, tls: true }],
    ["  rediss://h/3\n", { host: "h", db: 3, tls: true }],
    ["redis://h?db=4&family=6", { db: 4, family: 6 }],
    ["redis://u:p%40ss@h", { username: "u", password: "p@ss" }],
    ["redis://:p%2Fw%25@h", { username: undefined, password: "p/w%" }],
    ["redis://[::1]:6380", { host: "::1", port: 6380 }],
    ["unix:///run/redis.sock", { kind: "unix", path: "/run/redis.sock", tls: false }],
    ["unix:///run/my%20redis.sock?db=2", { kind: "unix", path: "/run/my redis.sock", db: 2 }],
    [
      "redis://a,redis://b:7001",
      {
        kind: "cluster",
        nodes: [
          { host: "a", port: 6379 },
          { host: "b", port: 7001 },
        ],
      },
    ],
    ["rediss://u:p@a,b", { kind: "cluster", tls: true, password: "p" }],
    [
      "redis+sentinel://:p@a,b:26380/main/2",
      {
        kind: "sentinel",
        master: "main",
        db: 2,
        password: "p",
        sentinels: [
          { host: "a", port: 26_379 },
          { host: "b", port: 26_380 },
        ],
      },
    ],
    ["rediss+sentinel://a/main", { kind: "sentinel", tls: true }],
  ])("%j is understood", (text, meaning) => {
    expect(parse(text)).toMatchObject(meaning);
  });

  it.each([
    ["localhost:6379", /no scheme/, /rediss:\/\/user/],
    ["", /no scheme/, /rediss:\/\//],
    ["reddis://h", /unknown scheme 'reddis:'/, /Did you mean 'rediss?:/],
    ["gopher://h", /unknown scheme/, /rediss:\/\//],
    ["'redis://h'", /quotation mark/, /Remove the quotes/],
    ['"redis://h"', /quotation mark/, /Remove the quotes/],
    ["redis://", /host|parsed/, /rediss:\/\//],
    ["redis://h:99999", /parsed/, /percent-encoded/],
    ["redis://u:pa/ss@h", /parsed|database|character/, /percent-encode|number/i],
    ["redis://:50%off@h", /stray %/, /%25/],
    ["redis://h/zero", /database/, /number/],
    ["redis://h?family=5", /family/, /4, 6 or 0/],
    ["rediss://h?rejectUnauthorized=false", /parameter/, /would|options/],
    ["rediss://h?tls=false", /parameter/, /options/],
    ["rediss://a,redis://b", /mixes/, /rediss:/],
    ["redis://a/1,redis://b", /Cluster/, /database 0/],
    ["redis+sentinel://a", /master/, /path/],
    ["redis+sentinel:///main", /host|parsed/, /rediss:\/\//],
    ["unix://run/redis.sock", /socket/, /three slashes/],
    ["unix:///", /socket/, /three slashes/],
    ["unix:///run/100%/redis.sock", /%|parsed/, /%25/],
    ["redis+sentinel://a/100%zz", /%|parsed/, /%25/],
    ["https://h", /token/, /REDIS_TOKEN/],
    ["https://u:p@h", /credentials/, /own/],
  ])("%j is refused, with what is wrong and the fix", (text, wrong, fix) => {
    const error = thrown(() => parse(text));
    expect(error).toBeInstanceOf(KitError);
    expect(error.code).toBe("INVALID_REDIS_URL");
    expect(error.message).toMatch(wrong);
    expect(error.fix).toMatch(fix);
    expect(error.message).toContain("REDIS_URL");
  });

  it("is either understood or a KitError, whatever the text", () => {
    const head = fc.constantFrom(
      "redis://",
      "rediss://",
      "unix:///",
      "redis+sentinel://a/",
      "https://",
      "redis://a,",
      "",
    );
    const tail = fc.string({ unit: fc.constantFrom(..."ab%:/@?#&=,[]. 019é\ud800'\"".split("")) });
    fc.assert(
      fc.property(head, tail, fc.option(fc.string(), { nil: undefined }), (scheme, rest, token) => {
        const error = caught(() => describeTarget(parse(scheme + rest, token)));
        return error === undefined || error instanceof KitError;
      }),
      { numRuns: 3000 },
    );
  });
});

/** All that a log may print of an error: message, stack, cause, properties. */
const printed = (error: unknown) => inspect(error, { depth: 10 });

/** What people forget to encode, alone and in pairs. */
const CHARACTERS = ["", ..."% ? # / : @ , + ' \" & = \\ é 1".split(" "), " "];
const ODD = CHARACTERS.flatMap((one) => CHARACTERS.map((other) => one + other));
const secret = fc.constantFrom(...ODD).map((odd) => `${odd}hunter2S3cret${odd}`);

describe("no error and no log line", () => {
  it.each([
    "redis://user:SECRET@h:6379",
    "redis://:SECRET@h",
    "rediss://SECRET@h",
    "REDIS://u:SECRET@h/x",
    "reddis://u:SECRET@h",
    "redis://u:SECRET@",
    "redis://u:SECRET@h:99999",
    "redis://u:SECRET@h?ssl=true",
    "redis://u:1SECRET@h",
    "redis://a,u:SECRET@b",
    "redis+sentinel://u:SECRET@a",
    "redis+sentinel://u:/1SECRET@a",
    "redis+sentinel://u:SECRET@a,b/main",
    "unix://u:SECRET@/run/redis.sock",
    "https://u:SECRET@h",
    "https://h/?_token=SECRET",
    '"redis://u:SECRET@h"',
    "u:SECRET@h:6379",
  ])("holds the password of %s, encoded or not", (shape) => {
    for (const odd of ODD) {
      const password = `${odd}hunter2S3cret${odd}`;
      for (const written of [password, encodeURIComponent(password)]) {
        for (const NODE_ENV of ["production", "development"]) {
          const REDIS_URL = shape.replace("SECRET", () => written);
          let target: Target = { kind: "memory" };
          const error = caught(
            () => ({ target } = resolveConfig({}, { NODE_ENV, REDIS_URL, REDIS_TOKEN: "t" })),
          );
          expect(printed([error, describeTarget(target)])).not.toContain("hunter2S3cret");
        }
      }
    }
  });

  it("holds a token", () => {
    fc.assert(
      fc.property(fc.webUrl(), secret, (url, token) => {
        const envs = [
          { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token },
          { UPSTASH_REDIS_REST_TOKEN: token },
          { KV_REST_API_URL: "no url", KV_REST_API_TOKEN: token },
          { REDIS_URL: "redis://h/x", REDIS_TOKEN: token },
          { REDIS_URL: token },
        ];
        for (const env of envs) {
          const error = caught(() => resolveConfig({}, { NODE_ENV: "production", ...env }));
          expect(printed(error)).not.toContain("hunter2S3cret");
        }
      }),
    );
  });

  it("holds a client key that is no PEM text, as where it was pasted without its header", () => {
    const env = {
      REDIS_URL: "rediss://h",
      REDIS_CERT: "-----BEGIN",
      REDIS_KEY: "hunter2S3cret/base64==",
    };
    const error = thrown(() => resolveConfig({}, env));
    expect(error.code).toBe("INVALID_ENVIRONMENT");
    expect(error.message).toContain("REDIS_KEY");
    expect(printed(error)).not.toContain("hunter2S3cret");
  });
});
