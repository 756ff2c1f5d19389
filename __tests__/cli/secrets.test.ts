/** No secret is ever printed, wherever somebody put it and whatever quotes it. */
import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { parseArguments } from "../../src/cli/arguments.ts";
import { createRedactor, redactDeep } from "../../src/cli/secrets.ts";
import { printReport } from "../../src/cli/print.ts";
import { startRedis } from "../support/redis-server.ts";
import { visit } from "./visit.ts";

/** Never a part of a text that tells no secret. */
const secret = fc
  .array(fc.constantFrom(..."ABCXYZabcxyz0189-_.~!$'()*+,;=:@%#& \"\\/".split("")), {
    minLength: 10,
    maxLength: 48,
  })
  .map((characters) => `Q7${characters.join("")}7Q`);

/** Its beginning is enough: whoever quotes a secret may cut it. */
function leaked(text: string, hidden: string): boolean {
  return text.includes(hidden.slice(0, 8));
}

async function outputs(env: Record<string, string>): Promise<string> {
  const report = await visit(env, { options: { connectDeadline: 300 } });
  return `${report.text}\n${printReport(report, false)}`;
}

describe("secrets", () => {
  it("never appear in a report, where Redis is away or lets nobody in", async () => {
    const redis = await startRedis({ tcp: true, args: ["--requirepass", "another one"] });
    await fc.assert(
      fc.asyncProperty(secret, fc.boolean(), async (hidden, isRaw) => {
        const written = isRaw ? hidden : encodeURIComponent(hidden);
        const places: Record<string, string>[] = [
          { REDIS_URL: `redis://:${written}@127.0.0.1:${redis.port}` },
          { REDIS_URL: `redis://${written}@127.0.0.1:${redis.port}` },
          { REDIS_URL: `redis://user:${written}@127.0.0.1:${redis.port}/${written}` },
          { REDIS_URL: `redis://127.0.0.1:${redis.port}`, REDIS_TOKEN: hidden },
          { REDIS_URL: `rediss://:${written}@127.0.0.1:1`, REDIS_KEY: hidden },
          { REDIS_URL: hidden },
          { REDIS_URL: `${hidden}://127.0.0.1` },
          { REDIS_URL: redis.url, REDIS_TOKEN: "another one", SESSION_SECRET: hidden },
          { UPSTASH_REDIS_REST_URL: "http://127.0.0.1:1", UPSTASH_REDIS_REST_TOKEN: hidden },
          { UPSTASH_REDIS_REST_URL: `http://user:${written}@127.0.0.1:1` },
          { KV_REST_API_URL: `http://127.0.0.1:1?_token=${written}`, KV_REST_API_TOKEN: hidden },
        ];
        for (const place of places) {
          const text = await outputs(place);
          expect({ place, leaked: leaked(text, hidden), text: "" }).toEqual({
            place,
            leaked: false,
            text: "",
          });
          expect(leaked(text, encodeURIComponent(hidden))).toBe(false);
        }
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  it("never appear in a report of a healthy Redis that they open", async () => {
    const redis = await startRedis({ tcp: true });
    await redis.client.ping();
    await fc.assert(
      // A comma would part SESSION_SECRET into several, of which none may be empty or short.
      fc.asyncProperty(
        secret.map((text) => text.replaceAll(",", "-")),
        async (hidden) => {
          await redis.client.call(
            "ACL",
            "SETUSER",
            "ada",
            "reset",
            "on",
            `>${hidden}`,
            "~*",
            "&*",
            "+@all",
          );
          const url = `redis://ada:${encodeURIComponent(hidden)}@127.0.0.1:${redis.port}`;
          const report = await visit({ REDIS_URL: url, SESSION_SECRET: hidden });
          expect(report.find("permissions").detail).toContain("'ada' may run all");
          expect(leaked(report.text, hidden)).toBe(false);
          expect(leaked(report.text, encodeURIComponent(hidden))).toBe(false);
        },
      ),
      { numRuns: 10 },
    );
  }, 60_000);

  it("never appear where they stand for a scheme", async () => {
    const text = await outputs({ REDIS_URL: "sk-0123456789abcdef://127.0.0.1" });
    expect(text).not.toContain("sk-01234");
    expect(text).toContain("unknown scheme '[hidden]'");
  });

  it("never appear where the server itself quotes them", async () => {
    const redis = await startRedis({
      tcp: true,
      args: ["--rename-command", "AUTH", "", "--rename-command", "HELLO", ""],
    });
    for (const hidden of ["a-long-enough-password-0123456789".repeat(6), "tiny1"]) {
      const env = { REDIS_URL: `redis://:${hidden}@127.0.0.1:${redis.port}` };
      const text = await outputs(env);
      expect(text).not.toContain(hidden.slice(0, 8));
    }
  });

  it("never appear where an argument was one", () => {
    fc.assert(
      fc.property(secret, fc.constantFrom("", "--password=", "--json=", "-"), (hidden, before) => {
        const request = parseArguments(["doctor", before + hidden]);
        expect(JSON.stringify(request)).not.toContain(hidden);
        expect(JSON.stringify(parseArguments([hidden]))).not.toContain(hidden);
      }),
    );
  });
});

describe("the redactor", () => {
  it("hides a secret in all its spellings, and the beginning of one that was cut", () => {
    const redact = createRedactor({
      REDIS_URL: "redis://u:p%40ss-w%2Ford-1@h",
      SESSION_SECRET: "first-secret-1,second-secret-2",
    });
    expect(
      redact("p%40ss-w%2Ford-1 p@ss-w/ord-1 'p@ss-w/or' second-secret-2, first-secret-1"),
    ).toBe("[hidden] [hidden] '[hidden]' [hidden], [hidden]");
  });

  it("hides a common word only where it is quoted", () => {
    const redact = createRedactor({ REDIS_URL: "redis://default:redis@h" });
    expect(redact("Redis refused AUTH: args beginning with: 'redis' at redis://h")).toBe(
      "Redis refused AUTH: args beginning with: '[hidden]' at redis://h",
    );
  });

  it("leaves a word with which a secret happens to begin", () => {
    const redact = createRedactor({ SESSION_SECRET: "sessions-of-mine-1234" });
    expect(redact("a crash loses sessions; sessions-of, sessions-of-mine-1234")).toBe(
      "a crash loses sessions; [hidden], [hidden]",
    );
  });

  it("hides keys, whole and line by line", () => {
    const lines = [
      "-----BEGIN PRIVATE KEY-----",
      "MIIEvQIBADANBgkqhkiG9w0BAQ",
      "-----END PRIVATE KEY-----",
    ];
    for (const REDIS_KEY of [lines.join("\n"), lines.join("\\n")]) {
      const redact = createRedactor({ REDIS_KEY });
      expect(redact("at MIIEvQIBADANBgkqhkiG9w0BAQ of it")).toBe("at [hidden] of it");
      expect(redact(REDIS_KEY)).not.toContain("MIIEvQ");
    }
  });

  it("reaches into lists and objects, and leaves the names of fields", () => {
    const redact = createRedactor({ REDIS_TOKEN: "token-0123456789" });
    const value = {
      "token-0123456789": ["token-0123456789", 1, null, { a: "x token-0123456789" }],
    };
    expect(redactDeep(value, redact)).toEqual({
      "token-0123456789": ["[hidden]", 1, null, { a: "x [hidden]" }],
    });
  });
});
