import { describe, expect, it } from "@jest/globals";
import type { IncomingHttpHeaders } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Middleware } from "express-redis-kit";
import { type Backend, describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { EXPRESSES, type Handler, SHELLS, type Shell } from "../support/shells.ts";

async function start({ listener }: Shell, backend: Backend, handler: Handler, ttl = "60s") {
  const kit = makeKit(backend.options());
  const log = watchCache(kit);
  const seen: IncomingHttpHeaders[] = [];
  const logged: IncomingHttpHeaders[] = [];
  const logging: Middleware = (request, response, next) => {
    response.once("finish", () => logged.push({ ...request.headers }));
    next();
  };
  const url = await serve(
    listener([logging, kit.cache("x", { ttl })], (request, response) => {
      seen.push({ ...request.headers });
      return handler(request, response);
    }),
  );
  const ask = (headers: Record<string, string> = {}, method = "GET") =>
    send(url, { headers, method });
  return { kit, log, seen, logged, ask };
}

const body: Handler = (_request, response) => {
  response.setHeader("Content-Type", "text/plain");
  response.setHeader("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT");
  response.end("hello");
};

const CONDITIONS = {
  "If-None-Match": "*",
  "If-Modified-Since": "Fri, 01 Jan 2027 00:00:00 GMT",
  "If-Match": '"other"',
  "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT",
  "If-Range": '"x"',
  Range: "bytes=0-1",
  "Accept-Encoding": "gzip",
};

describe.each(SHELLS)("conditionals under $name", (shell) => {
  describeBackends("cache()", (backend) => {
    it("on a miss are hidden from the handler, and back for who logs afterwards", async () => {
      const { ask, seen, logged, log } = await start(shell, backend, body);
      const reply = await ask(CONDITIONS);
      expect([reply.status, String(reply.body)]).toEqual([200, "hello"]);
      await log.settled(1);
      expect(log.outcomes()).toEqual(["miss", "stored"]);
      await until(() => logged.length === 1, "it is logged");
      for (const [name, value] of Object.entries(CONDITIONS)) {
        expect(seen[0]).not.toHaveProperty([name.toLowerCase()]);
        expect(logged[0]![name.toLowerCase()]).toBe(value);
      }
    });

    it("on a hit are answered: 304 for a match, the body otherwise", async () => {
      const { ask, log, seen } = await start(shell, backend, body);
      await ask();
      await log.settled(1);
      const { etag, ...first } = (await ask()).headers;
      expect(etag).toMatch(/^(W\/)?"[^"]+"$/);
      for (const condition of [
        { "If-None-Match": etag! },
        { "If-None-Match": `W/${etag}` },
        { "If-None-Match": `"a", ${etag}, "b"` },
        { "If-None-Match": "*" },
        { "If-None-Match": etag!, "Cache-Control": "no-cache" }, // A ttl of ours hears no request.
        { "If-Modified-Since": "Fri, 02 Jan 2026 00:00:00 GMT" },
        { "If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT" },
      ]) {
        const reply = await ask(condition);
        expect([reply.status, reply.body.length]).toEqual([304, 0]);
        expect(reply.headers.etag).toBe(etag);
        expect(reply.headers["content-type"]).toBeUndefined();
        expect(reply.headers["content-length"]).toBeUndefined();
        expect(reply.headers["cache-status"]).toMatch(/^express-redis-kit; hit; ttl=\d+$/);
      }
      for (const condition of [
        { "If-None-Match": '"other"' },
        { "If-None-Match": '"other"', "If-Modified-Since": "Fri, 02 Jan 2026 00:00:00 GMT" },
        { "If-Modified-Since": "Wed, 31 Dec 2025 00:00:00 GMT" },
        { "If-Modified-Since": "nonsense" },
        { "If-None-Match": "" },
        { Range: "bytes=0-1" },
      ]) {
        const reply = await ask(condition);
        expect([reply.status, String(reply.body)]).toEqual([200, "hello"]);
        expect(reply.headers["content-type"]).toBe(first["content-type"]);
      }
      expect(seen).toHaveLength(1);
    });

    it("HEAD is answered from GET's entry, and makes none itself", async () => {
      const { ask, log, seen } = await start(shell, backend, body);
      const early = await ask({}, "HEAD");
      expect(early.headers["cache-status"]).toBe("express-redis-kit; fwd=miss");
      await ask();
      await log.settled(1);
      const head = await ask({}, "HEAD");
      const get = await ask();
      expect(head.body).toHaveLength(0);
      expect(head.headers["cache-status"]).toMatch(/; hit;/);
      // A second may pass between the two.
      const { date: _a, age: _b, "cache-status": _c, ...headFields } = head.headers;
      expect(get.headers).toMatchObject(headFields);
      expect(headFields["content-length"]).toBe("5");
      expect((await ask({ "If-None-Match": get.headers.etag! }, "HEAD")).status).toBe(304);
      expect(seen).toHaveLength(2);
    });

    it("an expired entry is gone, and a fresh one says how old it is", async () => {
      const { ask, log, seen } = await start(shell, backend, body, "1500ms");
      const miss = await ask();
      expect(miss.headers.age).toBeUndefined();
      await log.settled(1);
      const hit = await ask();
      expect(hit.headers.age).toBe("0");
      expect(hit.headers["cache-status"]).toMatch(/^express-redis-kit; hit; ttl=[01]$/);
      let aged = hit;
      await until(async () => {
        aged = await ask();
        return aged.headers.age === "1" || seen.length > 1;
      }, "a second has passed");
      await until(async () => (await ask(), seen.length > 1), "it has expired");
    });
  });
});

describe.each(EXPRESSES)("Express's own freshness under $name", ({ express }) => {
  it("does not turn a miss into a 304 that no one can store", async () => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = express().get("/", kit.cache("x"), (_req, res) => void res.send("hello"));
    const url = await serve(app);
    const etag = (
      await send(await serve(express().get("/", (_req, res) => void res.send("hello"))))
    ).headers.etag!;
    const miss = await send(url, { headers: { "If-None-Match": etag } });
    expect([miss.status, String(miss.body)]).toEqual([200, "hello"]);
    expect(log.outcomes()).toEqual(["miss", "stored"]);
    expect((await send(url, { headers: { "If-None-Match": etag } })).status).toBe(304);
  });

  it("restores what was hidden for an error handler's answer as well", async () => {
    const kit = makeKit({ redis: false });
    const logged: unknown[] = [];
    const app = express();
    app.set("env", "test");
    app.use((req, res, next) => {
      res.once("finish", () => logged.push(req.headers["if-none-match"]));
      next();
    });
    app.get("/sync", kit.cache("sync"), () => {
      throw new Error("x");
    });
    app.get("/later", kit.cache("later"), async (_req, _res, next) => {
      await delay(1);
      next(new Error("x"));
    });
    app.get("/none", kit.cache("none"), (_req, _res, next) => next());
    const url = await serve(app);
    const headers = { "If-None-Match": '"a"' };
    expect((await send(url, { path: "/sync", headers })).status).toBe(500);
    expect((await send(url, { path: "/later", headers })).status).toBe(500);
    expect((await send(url, { path: "/none", headers })).status).toBe(404);
    await until(() => logged.length === 3, "all are logged");
    expect(logged).toEqual(['"a"', '"a"', '"a"']);
  });
});
