import { describe, expect, it } from "@jest/globals";
import { createConnection } from "node:net";
import express from "express";
import request from "supertest";
import type { RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { SHELLS } from "../support/shells.ts";
import { until } from "../support/redis-server.ts";

const ok = (_req: unknown, res: { end(text: string): unknown }) => res.end("ok");

describe.each(SHELLS)("under $name", ({ isExpress, listener }) => {
  describeBackends("rateLimit()", (backend) => {
    it("admits the limit, refuses the rest, and counts nothing for what it refuses", async () => {
      const kit = makeKit(backend.options());
      const url = await serve(listener([kit.rateLimit({ limit: 3 })], ok));
      const statuses: number[] = [];
      for (let index = 0; index < 6; index++) statuses.push((await send(url)).status);
      expect(statuses).toEqual([200, 200, 200, 429, 429, 429]);
      const refused = await send(url);
      expect(refused.headers["retry-after"]).toMatch(/^[1-9]\d*$/);
      expect(refused.headers["ratelimit"]).toMatch(/^"api";r=0;t=\d+$/);
      expect(refused.headers["ratelimit-policy"]).toBe('"api";q=3;w=60');
      expect(refused.headers["cache-control"]).toBe("no-store");
    });

    it("answers HEAD without a body, and OPTIONS like any other", async () => {
      const kit = makeKit(backend.options());
      const url = await serve(listener([kit.rateLimit({ limit: 1 })], ok));
      await send(url);
      const head = await send(url, { method: "HEAD" });
      expect([head.status, head.body.length]).toEqual([429, 0]);
      expect((await send(url, { method: "OPTIONS" })).status).toBe(429);
    });
  });

  it("believes X-Forwarded-For as Express was told, and without Express as the kit was", async () => {
    const kit = makeKit({ redis: false, trustProxy: 1 });
    const url = await serve(listener([kit.rateLimit({ limit: 1 })], ok));
    const from = async (address: string) =>
      (await send(url, { headers: { "X-Forwarded-For": address } })).status;
    const statuses = [await from("9.9.9.1"), await from("9.9.9.2"), await from("6.6.6.6, 9.9.9.1")];
    expect(statuses).toEqual(isExpress ? [200, 429, 429] : [200, 200, 429]);
  });
});

describeBackends("many at once", (backend) => {
  it("admits exactly the limit of 50 concurrent requests", async () => {
    const kits = [makeKit(backend.options()), makeKit(backend.options())];
    const used = backend.name === "redis" ? kits : [kits[0]!, kits[0]!];
    const urls = await Promise.all(
      used.map((kit) => {
        const app = express();
        return serve(app.use(kit.rateLimit({ limit: 17 }), ok));
      }),
    );
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) => send(urls[index % 2]!)),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(17);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(33);
    const remaining = replies
      .filter(({ status }) => status === 200)
      .map(({ headers }) => Number(/r=(\d+)/.exec(String(headers["ratelimit"]))![1]))
      .toSorted((a, b) => a - b);
    expect(remaining).toEqual(Array.from({ length: 17 }, (_, index) => index));
  });

  it("keeps two types apart, and names both in the header fields", async () => {
    const kit = makeKit(backend.options());
    const app = express();
    app.use(kit.rateLimit("api", { limit: 5 }), kit.rateLimit("search", { limit: 2 }), ok);
    const first = await request(app).get("/").expect(200);
    expect(first.headers["ratelimit-policy"]).toBe('"api";q=5;w=60, "search";q=2;w=60');
    expect(first.headers["ratelimit"]).toMatch(/^"api";r=4;t=\d+, "search";r=1;t=\d+$/);
    await request(app).get("/").expect(200);
    await request(app).get("/").expect(429);
  });
});

describe("clients that go away", () => {
  it("counts a request whose client hung up before the answer, and lives on", async () => {
    const kit = makeKit({ redis: false });
    const url = await serve(express().use(kit.rateLimit({ limit: 2 }), ok));
    const { port } = new URL(url);
    const socket = createConnection(Number(port), "127.0.0.1");
    socket.end("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    socket.destroySoon();
    await until(async () => (await send(url)).status === 429, "the limit is reached");
  });
});

describe("header styles", () => {
  const headersOf = async (options: RateLimitOptions) => {
    const kit = makeKit({ redis: false });
    const app = express().use(kit.rateLimit({ limit: 5, window: "90s", ...options }), ok);
    const { headers } = await request(app).get("/").expect(200);
    return Object.fromEntries(
      Object.entries(headers as Record<string, string>).filter(([name]) => /ratelimit/.test(name)),
    );
  };

  it("sends draft 8 by default", async () => {
    expect(await headersOf({})).toEqual({
      "ratelimit-policy": '"api";q=5;w=90',
      ratelimit: '"api";r=4;t=90',
    });
  });
  it("sends draft 7", async () => {
    expect(await headersOf({ standardHeaders: "draft-7" })).toEqual({
      "ratelimit-policy": "5;w=90",
      ratelimit: "limit=5, remaining=4, reset=90",
    });
  });
  it.each(["draft-6", true] as const)("sends draft 6 for %s", async (standardHeaders) => {
    expect(await headersOf({ standardHeaders })).toEqual({
      "ratelimit-policy": "5;w=90",
      "ratelimit-limit": "5",
      "ratelimit-remaining": "4",
      "ratelimit-reset": "90",
    });
  });
  it("sends the older ones, with the reset as a time", async () => {
    const sent = await headersOf({ standardHeaders: false, legacyHeaders: true });
    const reset = Number(sent["x-ratelimit-reset"]);
    expect(sent).toMatchObject({ "x-ratelimit-limit": "5", "x-ratelimit-remaining": "4" });
    expect(Math.abs(reset - (Date.now() / 1000 + 90))).toBeLessThan(10);
    expect(Object.keys(sent)).toHaveLength(3);
  });
  it("sends none", async () => {
    expect(await headersOf({ standardHeaders: false })).toEqual({});
  });
});

describe("the refusal", () => {
  const refused = async (accept: string | undefined) => {
    const kit = makeKit({ redis: false });
    const url = await serve(express().use(kit.rateLimit({ limit: 0 }), ok));
    return send(url, { headers: accept === undefined ? {} : { Accept: accept } });
  };

  it.each(["application/json", "application/problem+json", "*/*", undefined, "application/*"])(
    "is a problem for Accept: %s",
    async (accept) => {
      const { status, headers, body } = await refused(accept);
      expect(status).toBe(429);
      expect(headers["content-type"]).toBe("application/problem+json");
      expect(JSON.parse(body.toString())).toEqual({
        type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
        title: "Too many requests",
        status: 429,
        "violated-policies": ["api"],
      });
    },
  );

  it.each(["text/html,application/xhtml+xml,*/*;q=0.8", "text/plain", "image/png", "nonsense"])(
    "is text for Accept: %s",
    async (accept) => {
      const { status, headers, body } = await refused(accept);
      expect(status).toBe(429);
      expect(headers["content-type"]).toBe("text/plain; charset=utf-8");
      expect(body.toString()).toBe("Too many requests, please try again later.");
    },
  );
});
