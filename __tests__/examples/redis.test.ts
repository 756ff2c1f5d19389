import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { createBrowser, startListening, stopExamples } from "../support/example.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

const DEMO = { username: "demo", password: "demo" };

describe("the example on a real Redis", () => {
  let redis: RedisServer;
  let url: string;

  beforeAll(async () => {
    redis = await startRedis({ tcp: true });
  });
  beforeEach(async () => {
    await redis.client.flushall();
    ({ url } = await startListening({ REDIS_URL: redis.url, SESSION_SECRET: "test" }));
  });
  afterEach(stopExamples);
  afterAll(() => redis.stop());

  it("writes the keys of the README and no others, each with a time to live", async () => {
    const browser = createBrowser(url);
    expect((await browser("POST", "/login", { ...DEMO, password: "wrong" })).status).toBe(401);
    expect((await browser("POST", "/login", DEMO)).status).toBe(200);
    await browser("GET", "/brands/456/settings");
    await until(
      async () => (await redis.client.strlen("cache:brand:456:settings")) > 100,
      "entry stored",
    );
    await until(async () => (await redis.client.keys("cache:@*")).length === 0, "nobody leads");
    const keys = (await redis.client.keys("*")).toSorted();
    expect(keys).toEqual([
      "cache:brand:456:settings",
      "ratelimit:api:127.0.0.1",
      "ratelimit:auth-account:demo",
      "ratelimit:auth-ip:127.0.0.1",
      "ratelimit:auth:127.0.0.1:demo",
      expect.stringMatching(/^session:[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/),
      "user:demo:sessions",
    ]);
    const lives = await Promise.all(keys.map((key) => redis.client.pttl(key)));
    expect(Math.min(...lives)).toBeGreaterThan(0);
  });

  it("uses exactly one connection", async () => {
    const browser = createBrowser(url);
    await browser("POST", "/login", DEMO);
    await Promise.all(Array.from({ length: 20 }, () => browser("GET", "/brands/1/settings")));
    const clients = String(await redis.client.client("LIST")).split("\n");
    expect(clients.filter((line) => line.includes("name=express-redis-kit"))).toHaveLength(1);
    // One more is this test's own.
    expect(clients.filter(Boolean)).toHaveLength(2);
  });

  it("signs the first client out when a second one logs in", async () => {
    const [first, second] = [createBrowser(url), createBrowser(url)];
    await first("POST", "/login", DEMO);
    expect((await first("GET", "/me")).status).toBe(200);
    await second("POST", "/login", DEMO);
    const answer = await first("GET", "/me");
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({ error: "anonymous", reason: "signed-in-elsewhere" });
    expect(await (await second("GET", "/me")).json()).toEqual({ user: "demo" });
  });

  it("stores, claims, buries and deletes in this order at a login", async () => {
    const [first, second] = [createBrowser(url), createBrowser(url)];
    await first("POST", "/login", DEMO);
    const [old] = await redis.client.smembers("user:demo:sessions");
    const seen: string[] = [];
    const monitor = await redis.client.monitor();
    monitor.on("monitor", (_time, args: string[], source: string) => {
      if (source !== "lua") seen.push([args[0]!.toLowerCase(), ...args.slice(1, 4)].join(" "));
    });
    await second("POST", "/login", DEMO);
    await until(() => seen.some((line) => line.startsWith(`set session:${old}`)), "tombstone seen");
    // Nothing may come any more: a monitor that is leaving takes it for a reply.
    await redis.client.echo("over");
    await until(() => seen.includes("echo over"), "the monitor has seen it all");
    const ended = once(monitor, "end");
    monitor.disconnect();
    await ended;
    const [fresh] = await redis.client.smembers("user:demo:sessions");
    const steps = seen.filter((line) => /session/.test(line));
    expect(steps.slice(0, 3)).toEqual([
      expect.stringMatching(new RegExp(`^set session:${fresh} `)),
      expect.stringMatching(/^eval(sha)? .* 1 user:demo:sessions/s),
      expect.stringMatching(new RegExp(`^set session:${old} .*"ended"`)),
    ]);
  });

  it("answers a miss, then a hit, and a miss again after a change", async () => {
    const browser = createBrowser(url);
    await browser("POST", "/login", DEMO);
    const read = async () => {
      const response = await browser("GET", "/brands/456/settings");
      const { color } = (await response.json()) as { color: string };
      return `${color} ${response.headers.get("cache-status")?.replace(/ttl=\d+/, "ttl")}`;
    };
    expect(await read()).toBe("teal express-redis-kit; fwd=miss; stored");
    expect(await read()).toBe("teal express-redis-kit; hit; ttl");
    await browser("PUT", "/brands/456/settings", { color: "plum" });
    expect(await read()).toBe("plum express-redis-kit; fwd=miss; stored");
  });

  it("reports its health", async () => {
    const answer = await createBrowser(url)("GET", "/health");
    expect(await answer.json()).toMatchObject({ status: "ok", connection: "tcp", tls: false });
  });
});
