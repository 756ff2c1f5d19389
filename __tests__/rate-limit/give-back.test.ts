import { describe, expect, it } from "@jest/globals";
import express from "express";
import { rateLimit as shell, type Options } from "express-rate-limit";
import { makeKit, serve } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";

/** One's own express-rate-limit call over the kit's store. */
async function start(options: Partial<Options>) {
  const kit = makeKit();
  const store = kit.rateLimitStore("own");
  const waiting: (() => void)[] = [];
  const app = express();
  app.use(shell({ windowMs: 60_000, limit: 1, validate: false, ...options, store }));
  app.get("/:status", async (req, res) => {
    if (req.query["slow"] !== undefined)
      await new Promise<void>((resolve) => waiting.push(resolve));
    res.sendStatus(Number(req.params.status));
  });
  const url = await serve(app);
  return {
    waiting,
    ask: async (path: string) => (await fetch(url + path, { redirect: "manual" })).status,
  };
}

describe("what the store of one's own express-rate-limit call gives back", () => {
  it("is the request that was admitted, though another was refused since", async () => {
    const { ask, waiting } = await start({ skipSuccessfulRequests: true });
    const slow = ask("/200?slow");
    await until(() => waiting.length === 1, "the slow one is admitted");
    expect(await ask("/200")).toBe(429);
    waiting.pop()!();
    expect(await slow).toBe(200);
    expect(await ask("/200")).toBe(200);
  });

  it("is nothing for a request that was refused, and so never counted", async () => {
    const { ask } = await start({ skipFailedRequests: true });
    expect(await ask("/200")).toBe(200);
    for (let again = 0; again < 5; again++) expect(await ask("/200")).toBe(429);
  });
});

describe("a refusal that counts as a success", () => {
  it.each<[string, Partial<Options>]>([
    ["by a redirect", { handler: (_req, res) => res.redirect("/slow-down") }],
    ["by its status", { statusCode: 200 }],
    ["by requestWasSuccessful", { requestWasSuccessful: (_req, res) => res.statusCode === 429 }],
  ])("%s gives back no attempt of anybody's", async (_how, options) => {
    const { ask } = await start({ limit: 3, skipSuccessfulRequests: true, ...options });
    let handled = 0;
    for (let again = 0; again < 20; again++) if ((await ask("/401")) === 401) handled += 1;
    expect(handled).toBe(3);
  });
});

describe("a limiter", () => {
  it.each([
    [{ statusCode: 1000 }],
    [{ statusCode: 200 }],
    [{ requestPropertyName: 5 as never }],
    [{ requestPropertyName: "" }],
  ])("refuses %j", (options) => {
    expect(() => makeKit().rateLimit(options)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  });

  it("may share its type with one whose limit is another function", () => {
    const kit = makeKit();
    const plan = () => ({ limit: () => 5 });
    kit.rateLimit("plan", plan());
    expect(() => kit.rateLimit("plan", plan())).not.toThrow();
    expect(() => kit.rateLimit("plan", { limit: 5 })).toThrow(
      expect.objectContaining({ code: "RATE_LIMIT_TYPE_CONFLICT" }),
    );
  });
});
