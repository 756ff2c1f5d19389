/** Every option that express-rate-limit documents: same name, same meaning, or a deviation that the README lists. */
import { describe, expect, it } from "@jest/globals";
import express from "express";
import { rateLimit as theirs, type Options } from "express-rate-limit";
import { thrown } from "../support/connections.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";

/** A value that fits, and one that does not, for each of its options; only `store` is not taken. */
const OPTIONS: Readonly<Record<keyof Options, { good: unknown; bad: unknown } | "refused">> = {
  windowMs: { good: 60_000, bad: "soon" },
  limit: { good: 5, bad: -1 },
  max: { good: () => 5, bad: "5" },
  message: { good: { error: "slow down" }, bad: null },
  statusCode: { good: 503, bad: 200 },
  legacyHeaders: { good: true, bad: "yes" },
  headers: { good: true, bad: 1 },
  standardHeaders: { good: "draft-7", bad: "draft-9" },
  identifier: { good: "my-policy", bad: 'quo"te' },
  retryAfter: { good: 30, bad: -1 },
  requestPropertyName: { good: "quota", bad: "" },
  skipFailedRequests: { good: true, bad: "no" },
  skipSuccessfulRequests: { good: true, bad: 0 },
  keyGenerator: { good: () => "me", bad: "me" },
  ipv6Subnet: { good: 64, bad: 129 },
  handler: { good: () => {}, bad: "handler" },
  skip: { good: () => false, bad: true },
  requestWasSuccessful: { good: () => true, bad: true },
  store: "refused",
  validate: { good: { xForwardedForHeader: false, ip: false }, bad: { xForwarded: false } },
  passOnStoreError: { good: true, bad: 1 },
  logger: { good: { warn: () => {}, error: () => {} }, bad: {} },
};

describe("the names", () => {
  it.each(Object.entries(OPTIONS))("%s", (name, expected) => {
    const make = (value: unknown) => makeKit().rateLimit({ [name]: value });
    if (expected === "refused") {
      expect(thrown(() => make({})).message).toMatch(/takes no `store`/);
      return;
    }
    expect(() => make(expected.good)).not.toThrow();
    const { code } = thrown(() => make(expected.bad));
    expect(["INVALID_OPTION", "INVALID_DURATION", "UNKNOWN_OPTION"]).toContain(code);
  });

  it("of its checks are all known", () => {
    const names = [
      "ip",
      "trustProxy",
      "xForwardedForHeader",
      "forwardedHeader",
      "positiveHits",
      "unsharedStore",
      "singleCount",
      "limit",
      "creationStack",
      "ipv6Subnet",
      "keyGeneratorIpFallback",
      "default",
    ];
    const validate = Object.fromEntries(names.map((name) => [name, false]));
    expect(() => makeKit().rateLimit({ validate })).not.toThrow();
  });
});

describe("the defaults", () => {
  /** What a limiter without options does, theirs and ours. */
  const first = async (limiter: express.RequestHandler) => {
    const app = express().use(limiter, (_req, res) => void res.end("ok"));
    const url = await serve(app);
    const { headers } = await send(url);
    let passed = 1;
    let last = await send(url);
    for (; last.status === 200 && passed < 200; passed += 1) last = await send(url);
    return { headers, passed, last };
  };

  it("differ where the README says so, and nowhere else", async () => {
    const [its, own] = [await first(theirs()), await first(makeKit().rateLimit())];
    expect([its.passed, own.passed]).toEqual([5, 100]);
    expect([its.last.status, own.last.status]).toEqual([429, 429]);
    expect(its.headers).toHaveProperty("x-ratelimit-limit", "5");
    expect(own.headers).not.toHaveProperty("x-ratelimit-limit");
    expect(its.headers).not.toHaveProperty("ratelimit");
    expect(own.headers).toHaveProperty("ratelimit");
    expect(textOf(its.last)).toBe("Too many requests, please try again later.");
    expect(own.last.headers["content-type"]).toBe("application/problem+json");
    const text = await serve(
      express().use(makeKit().rateLimit({ limit: 0 }) as express.RequestHandler),
    );
    const asText = await send(text, { headers: { Accept: "text/html" } });
    expect(textOf(asText)).toBe(textOf(its.last));
    expect(Number(its.last.headers["retry-after"])).toBeGreaterThan(50);
    expect(Number(own.last.headers["retry-after"])).toBeGreaterThan(50);
  });
});

describe("what the functions are given in Express", () => {
  it("is Express's own request and response", async () => {
    const seen: boolean[] = [];
    const see = (req: express.Request, res: express.Response) => {
      seen.push(typeof req.get === "function" && typeof res.json === "function");
    };
    const limiter = makeKit().rateLimit({
      limit: (req, res) => (see(req, res), 1),
      skip: (req, res) => (see(req, res), false),
      keyGenerator: (req, res) => (see(req, res), "k"),
      message: (req: express.Request, res: express.Response) => (see(req, res), "m"),
    });
    const url = await serve(express().use(limiter, (_req, res) => void res.end()));
    await send(url);
    await send(url);
    expect(seen).toHaveLength(7);
    expect(seen).not.toContain(false);
  });
});
