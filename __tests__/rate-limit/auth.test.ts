import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { Kit, RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send } from "../support/raw.ts";
import { startRedis, until } from "../support/redis-server.ts";

/** A login route; the password "right" is right, and "slow" waits until it is let go. */
function loginApp(kit: Kit, options?: RateLimitOptions) {
  const app = express();
  app.set("trust proxy", true);
  const seen = { handled: 0, inFlight: 0, most: 0, closed: 0 };
  const waiting: (() => void)[] = [];
  app.post("/login", express.json(), kit.rateLimit("auth", options), async (req, res) => {
    const { password } = req.body as { password: string };
    seen.handled++;
    res.once("close", () => seen.closed++);
    seen.most = Math.max(seen.most, ++seen.inFlight);
    if (password.startsWith("slow")) await new Promise<void>((resolve) => waiting.push(resolve));
    seen.inFlight--;
    res.sendStatus(password.endsWith("right") ? 200 : 401);
  });
  return { app, seen, waiting };
}

const attempt = (
  url: string,
  body: { username?: unknown; email?: unknown; password?: string },
  address = "10.0.0.1",
): Promise<RawReply> =>
  send(`${url}/login`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Forwarded-For": address },
    body: JSON.stringify({ password: "wrong", ...body }),
  });

describeBackends("rateLimit('auth')", (backend) => {
  it("refuses the eleventh failure of one account from one address, and says by which policy", async () => {
    const { app, seen } = loginApp(makeKit(backend.options()));
    const url = await serve(app);
    for (let index = 0; index < 10; index++)
      expect((await attempt(url, { username: "ada" })).status).toBe(401);
    const refused = await attempt(url, { username: "ada" });
    expect(refused.status).toBe(429);
    expect(JSON.parse(refused.body.toString())).toMatchObject({ "violated-policies": ["auth"] });
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(60);
    expect(refused.headers["ratelimit-policy"]).toBe(
      '"auth";q=10;w=900, "auth-account";q=100;w=3600, "auth-ip";q=100;w=900',
    );
    expect(seen.handled).toBe(10);
    expect((await attempt(url, { username: "ada" }, "10.0.0.2")).status).toBe(401);
    expect((await attempt(url, { username: "bob" })).status).toBe(401);
  });

  it("gives back to the other keys what one key refuses", async () => {
    const { app } = loginApp(makeKit(backend.options()));
    const url = await serve(app);
    for (let index = 0; index < 150; index++) await attempt(url, { username: "ada" });
    // 10 failures count; 140 refusals must not have used up the address's 100.
    const other = await attempt(url, { username: "bob" });
    expect(other.status).toBe(401);
    expect(String(other.headers["ratelimit"])).toContain('"auth-ip";r=89;');
  });

  it("counts no success: the right password is never refused", async () => {
    const { app } = loginApp(makeKit(backend.options()));
    const url = await serve(app);
    for (let index = 0; index < 15; index++) {
      expect((await attempt(url, { username: "ada", password: "right" })).status).toBe(200);
    }
  });

  it.each([
    ["case", "ADA@x.org"],
    ["space", "  ada@x.org\t"],
    ["width", "ａｄａ@x.org"],
    ["ligatures", "ada@x.org".replace("a", "\uFF41")],
  ])("counts the spellings of an account as one: %s", async (_name, spelling) => {
    const { app } = loginApp(makeKit(backend.options()), { limit: 2 });
    const url = await serve(app);
    await attempt(url, { email: "ada@x.org" });
    await attempt(url, { email: spelling });
    expect((await attempt(url, { email: "ada@x.org" })).status).toBe(429);
  });

  it("lets at most the limit into the handler at once; the rest may come again in a second", async () => {
    const { app, seen, waiting } = loginApp(makeKit(backend.options()), { limit: 5 });
    const url = await serve(app);
    const replies = Array.from({ length: 20 }, () =>
      attempt(url, { username: "ada", password: "slow-right" }),
    );
    const refused: RawReply[] = [];
    for (const reply of replies) {
      void reply.then((answer) => answer.status === 429 && refused.push(answer));
    }
    await until(() => refused.length === 15, "15 are refused");
    expect(seen).toMatchObject({ handled: 5, inFlight: 5, most: 5 });
    expect(refused.map(({ headers }) => headers["retry-after"])).toEqual(
      Array.from({ length: 15 }, () => "1"),
    );
    for (const release of waiting) release();
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    await until(async () => {
      const again = await attempt(url, { username: "ada", password: "right" });
      return String(again.headers["ratelimit"]).includes('"auth";r=4;');
    }, "all were given back");
  });

  it("lets exactly 5 of 100 parallel failures through", async () => {
    const { app, seen } = loginApp(makeKit(backend.options()), { limit: 5 });
    const url = await serve(app);
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => attempt(url, { username: "ada" })),
    );
    expect(seen.handled).toBe(5);
    expect(replies.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(95);
  });

  it("counts an attempt whose client hangs up before the answer", async () => {
    const { app, seen, waiting } = loginApp(makeKit(backend.options()), { limit: 1 });
    const url = await serve(app);
    const abort = new AbortController();
    const hungUp = fetch(`${url}/login`, {
      method: "POST",
      signal: abort.signal,
      headers: { "Content-Type": "application/json", "X-Forwarded-For": "10.0.0.1" },
      body: JSON.stringify({ username: "ada", password: "slow-right" }),
    }).catch(() => "hung up");
    await until(() => waiting.length === 1, "the handler runs");
    abort.abort();
    expect(await hungUp).toBe("hung up");
    await until(() => seen.closed === 1, "the server notices");
    waiting[0]!();
    await until(async () => {
      const { status, headers } = await attempt(url, { username: "ada", password: "right" });
      return status === 429 && Number(headers["retry-after"]) > 1;
    }, "the attempt counts for good");
  });

  it.each([
    ["no body", undefined],
    ["an empty account", { username: "  " }],
    ["an object", { username: { $ne: null } }],
    ["null", { username: null, email: null }],
  ])("counts the address alone where there is no account: %s", async (_name, body) => {
    const { app } = loginApp(makeKit(backend.options()));
    const url = await serve(app);
    const { headers } = await attempt(url, { ...body });
    expect(headers["ratelimit-policy"]).toBe('"auth-ip";q=100;w=900');
  });
});

describe("the auth keys", () => {
  it("are gone after successes settle, and carry a TTL after failures", async () => {
    const server = await startRedis();
    try {
      const { app } = loginApp(makeKit({ redis: server.url }));
      const url = await serve(app);
      await Promise.all(
        Array.from({ length: 8 }, () => attempt(url, { username: "ada", password: "right" })),
      );
      await until(async () => (await server.client.dbsize()) === 0, "nothing is left");
      await attempt(url, { username: "ada" });
      const keys = await server.client.keys("*");
      expect(keys).toHaveLength(3);
      for (const key of keys) expect(await server.client.pttl(key)).toBeGreaterThan(0);
    } finally {
      await server.stop();
    }
  });

  it("take the account from the option", async () => {
    const kit = makeKit({ redis: false });
    const app = express().post(
      "/login",
      kit.rateLimit("auth", { limit: 1, account: (req) => req.get("X-Account") }),
      (_req, res) => void res.sendStatus(401),
    );
    await request(app).post("/login").set("X-Account", "a").expect(401);
    await request(app).post("/login").set("X-Account", "b").expect(401);
    await request(app).post("/login").set("X-Account", "A ").expect(429);
  });

  it("warns once in development where no account is found", async () => {
    const lines: string[] = [];
    const logger = {
      info: () => {},
      warn: (line: string) => void lines.push(line),
      error: () => {},
    };
    const kit = makeKit({ redis: false, logger }, { NODE_ENV: "development" });
    const app = express().post("/login", kit.rateLimit("auth"), (_req, res) => {
      res.sendStatus(401);
    });
    await request(app).post("/login").expect(401);
    await request(app).post("/login").expect(401);
    expect(lines.filter((line) => line.includes("found no account"))).toHaveLength(1);
  });
});
