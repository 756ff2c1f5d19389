import { afterAll, beforeAll, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
});
afterAll(() => server.stop());

/** The names of all connections but the test's own. */
async function others(): Promise<string[]> {
  const own = await server.client.client("ID");
  const list = (await server.client.client("LIST")) as string;
  return list
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith(`id=${own} `))
    .map((line) => / name=(\S*)/.exec(line)![1]!);
}

it.each(["production", "development", "test"])(
  "a kit with all its features holds one named connection under NODE_ENV=%s",
  async (NODE_ENV) => {
    const kit = makeKit({ redis: server.url, secret: "s" }, { NODE_ENV });
    const app = express().set("trust proxy", true);
    app.use(kit.security(), kit.rateLimit(), kit.session());
    app.post("/login", kit.rateLimit("auth"), async (req, res) => {
      await kit.login(req, "7");
      res.sendStatus(204);
    });
    app.get("/brands/:id", kit.cache("brand", { scope: "public" }), (_req, res) => {
      res.json({});
    });
    await kit.ready();
    const https = { "X-Forwarded-Proto": "https" };
    await Promise.all([
      ...Array.from({ length: 10 }, () => request(app).post("/login").set(https).expect(204)),
      ...Array.from({ length: 10 }, () => request(app).get("/brands/1").expect(200)),
    ]);
    expect(await others()).toEqual(["express-redis-kit"]);
    await kit.close();
    await until(async () => (await others()).length === 0, "close() ends the connection");
  },
);

it("a connection that was killed is replaced by one, with the same name", async () => {
  const kit = makeKit({ redis: server.url }, { NODE_ENV: "production" });
  await kit.ready();
  await server.client.call("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal");
  await until(async () => (await kit.health()).status === "ok", "the kit is back");
  expect(await others()).toEqual(["express-redis-kit"]);
});

it("a kit that is closed while it connects leaves no connection behind", async () => {
  const kit = makeKit({ redis: server.url }, { NODE_ENV: "production" });
  await kit.close();
  await until(async () => (await others()).length === 0, "nothing is left");
});
