import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import { type Backend, describeBackends } from "../support/backends.ts";
import { makeKit } from "../support/kit.ts";
import { startRedis, until } from "../support/redis-server.ts";
import { createKeys } from "../../src/keys.ts";
import { addressIdentity } from "../../src/request.ts";

/** An app whose limiter counts whatever X-Id says. */
function appFor(backend: Backend, limit = 2) {
  const app = express();
  const kit = makeKit(backend.options());
  app.use(kit.rateLimit({ limit, keyGenerator: (req) => decodeURIComponent(req.get("X-Id")!) }));
  app.use((_req, res) => res.end("ok"));
  return app;
}

const statusFor = async (app: express.Express, id: string): Promise<number> =>
  (await request(app).get("/").set("X-Id", encodeURIComponent(id.toWellFormed()))).status;

const HOSTILE: readonly [name: string, id: string][] = [
  ["colons", "a:b:c"],
  ["a foreign type", "1:auth:2"],
  ["globs", "*?[a-z]\\"],
  ["an at sign", "@abc"],
  ["line ends", "a\r\nDEL x\r\n"],
  ["a zero byte", "a\0b"],
  ["10 kB", "x".repeat(10_000)],
  ["10 kB of colons", ":".repeat(3_000)],
  ["emoji", "👩‍👩‍👧"],
  ["what looks like an escape", "a%3Ab"],
];

describeBackends("hostile identifiers", (backend) => {
  it.each(HOSTILE)("counts %s apart from everybody else", async (_name, id) => {
    const app = appFor(backend, 1);
    expect(await statusFor(app, "somebody")).toBe(200);
    expect(await statusFor(app, id)).toBe(200);
    expect(await statusFor(app, id)).toBe(429);
    expect(await statusFor(app, `${id}!`)).toBe(200);
    expect(await statusFor(app, "somebody else")).toBe(200);
  });

  it("tells a:b from a%3Ab", async () => {
    const app = appFor(backend, 1);
    expect(await statusFor(app, "a:b")).toBe(200);
    expect(await statusFor(app, "a%3Ab")).toBe(200);
    expect(await statusFor(app, "a:b")).toBe(429);
  });
});

it.each(HOSTILE)("makes one bounded segment of %s", (_name, id) => {
  const key = createKeys("").rateLimit("api", [id]);
  const prefix = "ratelimit:api:";
  expect(key.startsWith(prefix)).toBe(true);
  expect(key.slice(prefix.length)).toMatch(/^(@[\w-]{43}|[\w!%'().~-]{0,200})$/);
});

it("takes lone surrogates without a crash, and tells them from what they are escaped to", () => {
  const keys = createKeys("");
  expect(keys.rateLimit("api", ["\uD800"])).toBe("ratelimit:api:%EF%BF%BD");
  expect(() => keys.rateLimit("api", ["\uDC00".repeat(5000)])).not.toThrow();
});

describe("addresses", () => {
  it.each([
    ["192.168.1.1", "192.168.1.1"],
    ["::ffff:192.168.1.1", "192.168.1.1"],
    ["::FFFF:C0A8:0101", "192.168.1.1"],
    ["0:0:0:0:0:ffff:c0a8:101", "192.168.1.1"],
  ])("counts %s as %s", (address, identity) => {
    expect(addressIdentity(address)).toBe(identity);
  });

  it("counts a whole /56 as one", () => {
    const one = addressIdentity("2001:db8:0:1ff::1");
    expect(addressIdentity("2001:db8:0:100:dead:beef::")).toBe(one);
    expect(addressIdentity("2001:0DB8:0000:01ab:0:0:0:1%eth0")).toBe(one);
    expect(addressIdentity("2001:db8:0:200::1")).not.toBe(one);
  });
});

describe("keys in Redis", () => {
  it("makes the keys that the design names, all with a TTL", async () => {
    const server = await startRedis();
    try {
      const app = express();
      app.set("trust proxy", true);
      const kit = makeKit({ redis: server.url });
      app.use(kit.rateLimit({ standardHeaders: false }));
      app.post("/login", express.json(), kit.rateLimit("auth"), (_req, res) => {
        res.sendStatus(401);
      });
      app.use((_req, res) => res.end("ok"));
      const from = (address: string) => ["X-Forwarded-For", address] as const;
      await request(app).get("/").expect(200);
      await request(app)
        .get("/")
        .set(...from("::ffff:10.1.2.3"))
        .expect(200);
      await request(app)
        .get("/")
        .set(...from("2001:db8::7"))
        .expect(200);
      await request(app)
        .post("/login")
        .set(...from("192.168.1.1"))
        .send({ username: " User123 " })
        .expect(401);
      const expected = [
        "ratelimit:api:10.1.2.3",
        "ratelimit:api:127.0.0.1",
        "ratelimit:api:192.168.1.1",
        "ratelimit:api:2001%3Adb8%3A%3A%2F56",
        "ratelimit:auth-account:user123",
        "ratelimit:auth-ip:192.168.1.1",
        "ratelimit:auth:192.168.1.1:user123",
      ];
      await until(async () => (await server.client.keys("*")).length >= expected.length, "keys");
      expect((await server.client.keys("*")).toSorted()).toEqual(expected);
      for (const key of expected) expect(await server.client.pttl(key)).toBeGreaterThan(0);
    } finally {
      await server.stop();
    }
  });

  it("puts a namespace before all of them", async () => {
    const server = await startRedis();
    try {
      const app = express();
      const kit = makeKit({ redis: server.url, namespace: "shop.eu-1" });
      app.use(kit.rateLimit(), (_req, res) => res.end("ok"));
      await request(app).get("/").expect(200);
      expect(await server.client.keys("*")).toEqual(["shop.eu-1:ratelimit:api:127.0.0.1"]);
    } finally {
      await server.stop();
    }
  });
});
