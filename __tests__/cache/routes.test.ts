import type { RequestHandler } from "express";
import { describe, expect, it } from "@jest/globals";
import request from "supertest";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { startRedis } from "../support/redis-server.ts";
import { EXPRESSES, SHELLS } from "../support/shells.ts";

/** Long enough that nothing expires, short enough that nothing is left. */
const PUBLIC = { scope: "public", ttl: "5m" } as const;

describe.each(EXPRESSES)("routes under $name", ({ name, express }) => {
  /** Answers with the path that was asked for: a wrong body shows at once. */
  const echo: RequestHandler = (req, res) => void res.send(req.originalUrl);
  const wildcard = name === "Express 4" ? "/files/*" : "/files/*path";

  describeBackends("cache()", (backend) => {
    it("answers each path with its own body, through params, wildcards and routers", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const app = express();
      app.get("/brands/:id/settings", kit.cache("brand:settings", PUBLIC), echo);
      app.get(["/a/:x", "/b/:x"], kit.cache("either", PUBLIC), echo);
      app.get(wildcard, kit.cache("file", PUBLIC), echo);
      app.get(/^\/re\/(\w+)-(\w+)$/, kit.cache("re", PUBLIC), echo);
      const withoutParent = express.Router();
      withoutParent.get("/list", kit.cache("members", PUBLIC), echo);
      withoutParent.get("/one/:member", kit.cache("member", PUBLIC), echo);
      app.use("/teams/:team", withoutParent);
      const withParent = express.Router({ mergeParams: true });
      withParent.get("/", kit.cache("shop:[shop]", PUBLIC), echo);
      app.use("/shops/:shop", withParent);
      app.use("/all/:tenant", kit.cache("all", PUBLIC), echo);
      const url = await serve(app);
      const paths = [
        ..."1 2 a:b a%3Ab %00 %0D%0Ax %E2%80%A8 * @x %40x 1%2F2"
          .split(" ")
          .flatMap((value) => [
            `/brands/${value}/settings`,
            `/a/${value}`,
            `/b/${value}`,
            `/teams/${value}/list`,
            `/teams/${value}/one/7`,
            `/teams/7/one/${value}`,
            `/shops/${value}`,
            `/all/${value}/x/y`,
            `/all/x/${value}`,
          ]),
        "/files/a/b",
        "/files/a%2Fb",
        "/files/a",
        "/files/a//b",
        "/files/a/b/",
        "/re/a-b",
        "/re/ab-c",
        `/brands/${"x".repeat(10_000)}/settings`,
        "/brands/1/settings/",
        "/BRANDS/1/settings",
        "/all/x",
        "/all/x/",
      ];
      for (const [index, path] of paths.entries()) {
        expect(textOf(await send(url, { path }))).toBe(path);
        await log.settled(index + 1);
      }
      for (const path of paths.toReversed()) {
        const reply = await send(url, { path });
        expect(textOf(reply)).toBe(path);
        expect(reply.headers["cache-status"]).toMatch(/^express-redis-kit; hit; ttl=\d+$/);
      }
    });

    it("refuses an explicit template that lacks a param of the route, before any Redis command", async () => {
      const kit = makeKit(backend.options(), { NODE_ENV: "development" });
      const app = express();
      app.set("env", "test");
      app.get("/x/:id/:tab", kit.cache("x:[id]", PUBLIC), echo);
      app.get("/y/:id", kit.cache("y:[id]:[tab]", PUBLIC), echo);
      for (const [path, missing] of [
        ["/x/1/2", "tab"],
        ["/y/1", "tab"],
      ]) {
        const { text } = await request(app).get(path!).expect(500);
        expect(text).toContain("CACHE_KEY_INCOMPLETE");
        expect(text).toContain(missing);
      }
    });

    it("refuses a second route with the same template", async () => {
      const kit = makeKit(backend.options());
      const app = express();
      app.set("env", "test");
      app.get("/one/:id", kit.cache("thing", PUBLIC), echo);
      app.get("/two/:id", kit.cache("thing", PUBLIC), echo);
      await request(app).get("/one/1").expect(200);
      const { text } = await request(app).get("/two/1").expect(500);
      expect(text).toContain("CACHE_TEMPLATE_CONFLICT");
      await request(app).get("/one/1").expect(200);
    });
  });

  it("bypasses in production where the key would be incomplete", async () => {
    const server = await startRedis();
    try {
      const kit = makeKit({ redis: server.url }, { NODE_ENV: "production", SESSION_SECRET: "x" });
      const app = express();
      app.get("/x/:id", kit.cache("x:[other]", PUBLIC), echo);
      for (const id of ["1", "2", "1"]) {
        const { text, headers } = await request(app).get(`/x/${id}`).expect(200);
        expect(text).toBe(`/x/${id}`);
        expect(headers["cache-status"]).toBe(
          "express-redis-kit; fwd=bypass; detail=incomplete-key",
        );
      }
      expect(await server.client.dbsize()).toBe(0);
    } finally {
      await server.stop();
    }
  });

  it("goes without a cache in production where a second route has the same template", async () => {
    const server = await startRedis();
    try {
      const kit = makeKit({ redis: server.url }, { NODE_ENV: "production", SESSION_SECRET: "x" });
      const app = express();
      app.get("/one/:id", kit.cache("thing", PUBLIC), echo);
      app.get("/two/:id", kit.cache("thing", PUBLIC), echo);
      await request(app).get("/one/1").expect(200);
      const second = await request(app).get("/two/1").expect(200);
      expect(second.text).toBe("/two/1");
      expect(second.headers["cache-status"]).toBe(
        "express-redis-kit; fwd=bypass; detail=template-conflict",
      );
    } finally {
      await server.stop();
    }
  });

  it("does not take a route that a request passed on its way for the cache's own", async () => {
    const kit = makeKit({ redis: false });
    const app = express();
    app.set("env", "test");
    app.get("/a", (_req, _res, next) => next());
    app.get("/b", (_req, _res, next) => next());
    app.use(kit.cache("site", PUBLIC), echo);
    for (const path of ["/a", "/b", "/c", "/a"]) {
      expect((await request(app).get(path).expect(200)).text).toBe(path);
    }
  });

  it("passes a POST by, and caches nothing of it", async () => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = express().all("/x", kit.cache("x", PUBLIC), echo);
    for (const method of ["post", "put", "delete", "options", "patch"] as const) {
      const { headers } = await request(app)[method]("/x").expect(200);
      expect(headers["cache-status"]).toBeUndefined();
    }
    expect(log.events).toEqual([]);
  });
});

describe.each(SHELLS)("app.use(cache('x')) under $name", ({ listener }) => {
  describeBackends("without a route", (backend) => {
    it("keeps every path and host apart", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      let handled = 0;
      const url = await serve(
        listener([kit.cache("site")], (req, res) => {
          handled++;
          res.end(`${req.headers.host} ${req.url}`);
        }),
      );
      const asks = ["/", "/a", "//a", "/a/", "/%61", "/a;x", "/a/../a"].flatMap((path) =>
        ["one.test", "two.test"].map((host) => ({ path, host })),
      );
      for (const round of [0, 1]) {
        for (const [index, { path, host }] of asks.entries()) {
          const reply = await send(url, { path, headers: { Host: host } });
          expect(textOf(reply)).toBe(`${host} ${path}`);
          if (round === 0) await log.settled(index + 1);
        }
      }
      expect(handled).toBe(asks.length);
    });
  });
});
