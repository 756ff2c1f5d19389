/** What each of express-rate-limit's options does, in every shell. */
import { describe, expect, it, jest } from "@jest/globals";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RateLimitOptions } from "express-redis-kit";
import { originalUrl } from "../../src/request.ts";
import { createLog, makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { SHELLS } from "../support/shells.ts";

type Request = IncomingMessage & Record<string, unknown>;

describe.each(SHELLS)("under $name", ({ isExpress, listener }) => {
  /** Serves a limiter in front of a handler that answers the status in the path. */
  const start = async (
    options: RateLimitOptions,
    handler: (req: Request, res: ServerResponse) => unknown = (req, res) => {
      res.statusCode = Number(/\d{3}/.exec(originalUrl(req))?.[0] ?? 200);
      res.end("ok");
    },
  ) => {
    const kit = makeKit({ redis: false, logger: createLog(), trustProxy: true });
    return serve(listener([kit.rateLimit(options)], handler as Parameters<typeof listener>[1]));
  };
  const refusedBy = async (options: RateLimitOptions) => {
    const url = await start({ limit: 1, ...options });
    await send(url);
    return send(url);
  };

  it("windowMs and limit (or max) say how many requests are allowed", async () => {
    for (const name of ["limit", "max"] as const) {
      const url = await start({ [name]: 2, windowMs: 200 });
      const statuses = [await send(url), await send(url), await send(url)];
      expect(statuses.map(({ status }) => status)).toEqual([200, 200, 429]);
      await until(async () => (await send(url)).status === 200, "the window has passed");
    }
  });

  it("limit may be a function of request and response", async () => {
    const seen: boolean[] = [];
    const url = await start({
      limit: async (req, res) => {
        seen.push(typeof req.headers === "object" && typeof res.setHeader === "function");
        return 0;
      },
    });
    expect((await send(url)).status).toBe(429);
    expect(seen).toEqual([true]);
  });

  it.each<[string, RateLimitOptions["message"], string, string]>([
    ["text", "slow down", "slow down", "text/"],
    ["an object", { error: "slow" }, '{"error":"slow"}', "application/json"],
    ["a function", async (req: Request) => `slow ${req.method}`, "slow GET", "text/"],
  ])("message may be %s", async (_kind, message, body, type) => {
    const refused = await refusedBy({ message });
    expect(textOf(refused)).toBe(body);
    expect(refused.headers["content-type"]).toContain(type);
  });

  it("statusCode is what a refusal has", async () => {
    expect((await refusedBy({ statusCode: 420 })).status).toBe(420);
    expect((await refusedBy({ statusCode: 503, message: "x" })).status).toBe(503);
  });

  it("legacyHeaders (or headers) sends the X- ones, the reset in seconds since 1970", async () => {
    for (const name of ["legacyHeaders", "headers"] as const) {
      const url = await start({ [name]: true, standardHeaders: false, limit: 3 });
      const { headers } = await send(url);
      expect(headers).toMatchObject({ "x-ratelimit-limit": "3", "x-ratelimit-remaining": "2" });
      const reset = Number(headers["x-ratelimit-reset"]) - Date.now() / 1000;
      expect(reset).toBeGreaterThan(50);
      expect(reset).toBeLessThan(62);
      expect(headers).not.toHaveProperty("ratelimit");
    }
  });

  it.each<[NonNullable<RateLimitOptions["standardHeaders"]>, Record<string, unknown>]>([
    [true, { "ratelimit-policy": "3;w=60", "ratelimit-limit": "3", "ratelimit-remaining": "2" }],
    ["draft-6", { "ratelimit-policy": "3;w=60", "ratelimit-limit": "3", "ratelimit-reset": "60" }],
    ["draft-7", { "ratelimit-policy": "3;w=60", ratelimit: "limit=3, remaining=2, reset=60" }],
    ["draft-8", { "ratelimit-policy": '"api";q=3;w=60', ratelimit: '"api";r=2;t=60' }],
  ])("standardHeaders: %p", async (standardHeaders, expected) => {
    const { headers } = await send(await start({ standardHeaders, limit: 3 }));
    expect(headers).toMatchObject(expected);
  });

  it("standardHeaders: false sends none, and a refusal still says Retry-After", async () => {
    const { headers } = await refusedBy({ standardHeaders: false });
    expect(Object.keys(headers).filter((name) => name.includes("ratelimit"))).toEqual([]);
    expect(headers).toHaveProperty("retry-after");
  });

  it("identifier names the policy of draft 8, for all or for a request", async () => {
    const named = await send(await start({ identifier: "mine" }));
    expect(named.headers["ratelimit"]).toMatch(/^"mine";r=/);
    const url = await start({ identifier: async (req) => `for-${req.method}` });
    expect((await send(url)).headers["ratelimit-policy"]).toMatch(/^"for-GET";q=/);
  });

  it("retryAfter is what Retry-After says, in seconds; it blocks no longer", async () => {
    expect((await refusedBy({ retryAfter: 7 })).headers["retry-after"]).toBe("7");
    const refused = await refusedBy({ retryAfter: async (req) => (req.method === "GET" ? 9 : 1) });
    expect(refused.headers["retry-after"]).toBe("9");
  });

  it("requestPropertyName is where limit, used, remaining, resetTime and key are", async () => {
    const seen: Request[] = [];
    const url = await start({ requestPropertyName: "quota", limit: 3 }, (req, res) => {
      seen.push(req);
      res.end();
    });
    await send(url);
    expect(seen[0]!["quota"]).toMatchObject({ limit: 3, used: 1, remaining: 2 });
    const { resetTime, key, current } = seen[0]!["quota"] as Record<string, unknown>;
    expect(resetTime).toBeInstanceOf(Date);
    expect((resetTime as Date).getTime()).toBeGreaterThan(Date.now());
    expect([typeof key, current]).toEqual(["string", 1]);
    expect(seen[0]).not.toHaveProperty("rateLimit");
  });

  it("req.rateLimit is there by default, in the handler of a refusal too", async () => {
    const infos: unknown[] = [];
    await refusedBy({
      handler: (req, res) => {
        infos.push((req as unknown as Request)["rateLimit"]);
        res.statusCode = 429;
        res.end();
      },
    });
    expect(infos).toMatchObject([{ limit: 1, remaining: 0 }]);
  });

  it("skipFailedRequests and skipSuccessfulRequests give back by status, or by requestWasSuccessful", async () => {
    const admitted = async (url: string, path: string): Promise<number> => {
      for (let count = 0; count < 5; count++) {
        if ((await send(url + path)).status === 429) return count;
      }
      return Infinity;
    };
    const failed = await start({ limit: 2, skipFailedRequests: true });
    expect([await admitted(failed, "/500"), await admitted(failed, "/200")]).toEqual([Infinity, 2]);
    const successful = await start({ limit: 2, skipSuccessfulRequests: true });
    expect([await admitted(successful, "/302"), await admitted(successful, "/404")]).toEqual([
      Infinity,
      2,
    ]);
    const seen: string[] = [];
    const judged = await start({
      limit: 2,
      skipFailedRequests: true,
      requestWasSuccessful: async (req, res) => {
        seen.push(`${req.method} ${res.statusCode}`);
        return res.statusCode !== 204;
      },
    });
    expect([await admitted(judged, "/204"), await admitted(judged, "/500")]).toEqual([Infinity, 2]);
    expect(seen.slice(0, 2)).toEqual(["GET 204", "GET 204"]);
  });

  it("keyGenerator says whom a request counts for", async () => {
    const url = await start({
      limit: 1,
      keyGenerator: async (req) => req.headers["x-id"] as string,
    });
    const statusOf = async (id: string) => (await send(url, { headers: { "X-Id": id } })).status;
    expect([await statusOf("a"), await statusOf("b"), await statusOf("a")]).toEqual([
      200, 200, 429,
    ]);
  });

  it("ipv6Subnet is how much of an address counts, for all or for a request", async () => {
    if (isExpress) return; // Needs a `trust proxy` of Express's; what follows is ours and the same there.
    const from = async (url: string, address: string) =>
      (await send(url, { headers: { "X-Forwarded-For": address } })).status;
    const both = ["2001:db8:0:100::1", "2001:db8:0:1ff::1"] as const;
    const tried = async (options: RateLimitOptions) => {
      const url = await start({ limit: 1, ...options });
      return [await from(url, both[0]), await from(url, both[1])];
    };
    expect(await tried({})).toEqual([200, 429]);
    expect(await tried({ ipv6Subnet: 56 })).toEqual([200, 429]);
    expect(await tried({ ipv6Subnet: 64 })).toEqual([200, 200]);
    expect(await tried({ ipv6Subnet: false })).toEqual([200, 200]);
    expect(await tried({ ipv6Subnet: async () => 64 })).toEqual([200, 200]);
  });

  it("handler gets request, response, next and the options, and may let the request go on", async () => {
    const handler = jest.fn<NonNullable<RateLimitOptions["handler"]>>((_req, _res, next) => next());
    const url = await start({ limit: 1, windowMs: 5000, message: "m", statusCode: 420, handler });
    await send(url);
    expect(handler).not.toHaveBeenCalled();
    expect((await send(url)).status).toBe(200);
    const [req, res, , used] = handler.mock.calls[0]!;
    expect([req.method, typeof res.setHeader]).toEqual(["GET", "function"]);
    expect(used).toMatchObject({
      windowMs: 5000,
      limit: 1,
      message: "m",
      statusCode: 420,
      legacyHeaders: false,
      standardHeaders: "draft-8",
      requestPropertyName: "rateLimit",
      skipFailedRequests: false,
      skipSuccessfulRequests: false,
      passOnStoreError: false,
      handler,
    });
    expect(typeof used.requestWasSuccessful).toBe("function");
  });

  it("a handler that throws reaches the error handler", async () => {
    const refused = await refusedBy({
      handler: async () => {
        throw Object.assign(new Error("x"), { status: 418 });
      },
    });
    expect(refused.status).toBe(418);
  });

  it("skip lets a request pass uncounted", async () => {
    const url = await start({ limit: 0, skip: async (req) => req.headers["x-skip"] === "1" });
    const skipped = await send(url, { headers: { "X-Skip": "1" } });
    expect(skipped.status).toBe(200);
    expect(skipped.headers).not.toHaveProperty("ratelimit");
    expect((await send(url)).status).toBe(429);
  });
});
