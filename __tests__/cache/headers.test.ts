import { describe, expect, it } from "@jest/globals";
import cors from "cors";
import type { RequestHandler } from "express";
import onHeaders from "on-headers";
import type { Middleware } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { EXPRESSES, SHELLS } from "../support/shells.ts";

/** Numbers each request, in the header and before the cache, as a request id does. */
function requestId(): Middleware {
  let count = 0;
  return (_request, response, next) => {
    response.setHeader("X-Request-Id", `request-${++count}`);
    next();
  };
}

describe.each(SHELLS)("header fields under $name", ({ listener }) => {
  describeBackends("cache()", (backend) => {
    it("of the limiter, a request id and security stay each request's own", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const stack = [
        kit.security(),
        requestId(),
        kit.rateLimit({ limit: 10, legacyHeaders: true }),
        kit.cache("x"),
      ];
      const url = await serve(
        listener(stack, (_request, response) => {
          response.setHeader("X-Own", "mine");
          response.end("x");
        }),
      );
      const replies = [await send(url)];
      await log.settled(1);
      for (let index = 0; index < 3; index++) replies.push(await send(url));
      for (const [index, { headers }] of replies.entries()) {
        expect(headers["x-request-id"]).toBe(`request-${index + 1}`);
        expect(headers["ratelimit"]).toMatch(new RegExp(`^"api";r=${9 - index};`));
        expect(headers["x-ratelimit-remaining"]).toBe(String(9 - index));
        expect(headers["x-own"]).toBe("mine");
        expect(headers["content-security-policy"]).toMatch(/^default-src 'none'/);
        expect(String(headers["cache-status"])).toMatch(index === 0 ? /stored/ : /hit/);
      }
    });

    it("of a limiter after the cache are not served again", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const limiter = kit.rateLimit({ limit: 10, legacyHeaders: true });
      const url = await serve(listener([kit.cache("x"), limiter], (_q, r) => r.end("x")));
      expect((await send(url)).headers["ratelimit"]).toMatch(/r=9/);
      await log.settled(1);
      const hit = (await send(url)).headers;
      expect(Object.keys(hit).filter((name) => /ratelimit|retry-after/.test(name))).toEqual([]);
    });

    it("that a middleware before the cache adds at header time are not stored", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      let count = 0;
      const late: Middleware = (_request, response, next) => {
        onHeaders(response, () => response.setHeader("X-Late", String(++count)));
        next();
      };
      const url = await serve(listener([late, kit.cache("x")], (_q, r) => r.end("x")));
      expect((await send(url)).headers["x-late"]).toBe("1");
      await log.settled(1);
      expect((await send(url)).headers["x-late"]).toBe("2");
    });

    it("that the handler set are served as they were: lists, arrays and all", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const before: Middleware = (_request, response, next) => {
        response.setHeader("Link", "</before>; rel=preload");
        response.setHeader("X-Same", "before");
        response.setHeader("Vary", "Origin");
        next();
      };
      const url = await serve(
        listener([before, kit.cache("x")], (_request, response) => {
          response.setHeader("Link", "</before>; rel=preload, </after>; rel=next");
          response.setHeader("Vary", "Origin, Accept-Encoding");
          response.setHeader("X-Same", "after");
          response.setHeader("X-List", ["1", "2"]);
          response.setHeader("X-Number", 7);
          response.setHeader("Cache-Control", "public, max-age=5");
          response.setHeader("ETag", 'W/"own"');
          response.setHeader("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT");
          response.setHeader("Content-Type", "text/plain; charset=utf-8");
          response.setHeader("Content-Disposition", 'inline; filename="é.txt"');
          response.end("x");
        }),
      );
      const miss = (await send(url)).headers;
      await log.settled(1);
      const hit = (await send(url)).headers;
      const compared = Object.fromEntries(
        Object.entries(miss).filter(([name]) => !/^(date|age|cache-status)$/.test(name)),
      );
      expect(hit).toMatchObject(compared);
      expect(hit["link"]).toBe("</before>; rel=preload, </after>; rel=next");
      expect(hit["vary"]).toBe("Origin, Accept-Encoding");
    });
  });
});

describe.each(EXPRESSES)("CORS under $name", ({ express }) => {
  describeBackends("cache()", (backend) => {
    const origins = ["https://a.test", "https://b.test", "https://evil.test"];

    it("before the cache answers each origin for itself, on hits too", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const app = express();
      app.use(cors({ origin: ["https://a.test", "https://b.test"], credentials: true }));
      app.get("/x", kit.cache("x"), (_req, res) => void res.json({ ok: true }));
      const url = await serve(app);
      for (const [index, origin] of [...origins, ...origins].entries()) {
        const { headers } = await send(url, { path: "/x", headers: { Origin: origin } });
        expect(headers["access-control-allow-origin"]).toBe(
          origin.includes("evil") ? undefined : origin,
        );
        expect(headers["vary"]).toBe("Origin");
        if (index === 0) await log.settled(1);
        else expect(headers["cache-status"]).toMatch(/; hit/);
      }
    });

    it("after the cache is not stored where it varies, and harmless where it does not", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const app = express();
      const answer: RequestHandler = (_req, res) => void res.json({ ok: true });
      app.get("/varies", kit.cache("varies"), cors({ origin: true }), answer);
      app.get("/any", kit.cache("any"), cors(), answer);
      const url = await serve(app);
      for (const origin of origins) {
        const { headers } = await send(url, { path: "/varies", headers: { Origin: origin } });
        expect(headers["access-control-allow-origin"]).toBe(origin);
        expect(headers["cache-status"]).toBe("express-redis-kit; fwd=miss; detail=vary");
      }
      await send(url, { path: "/any" });
      await log.settled(4);
      const { headers } = await send(url, { path: "/any", headers: { Origin: origins[0]! } });
      expect(headers["access-control-allow-origin"]).toBe("*");
      expect(headers["cache-status"]).toMatch(/; hit/);
    });

    it("that a middleware changes per request before the cache is never the stored one", async () => {
      const kit = makeKit(backend.options());
      const log = watchCache(kit);
      const app = express();
      app.use((req, res, next) => {
        res.vary("Origin");
        res.set("Access-Control-Allow-Origin", req.get("Origin") ?? "null");
        res.set("X-Served-At", String(performance.now()));
        next();
      });
      app.get("/x", kit.cache("x"), (_req, res) => void res.send("x"));
      const url = await serve(app);
      const seen = new Set<unknown>();
      for (const origin of origins) {
        const { headers } = await send(url, { path: "/x", headers: { Origin: origin } });
        await log.settled(1);
        expect(headers["access-control-allow-origin"]).toBe(origin);
        seen.add(headers["x-served-at"]);
      }
      expect(seen.size).toBe(3);
      expect(log.outcomes()).toEqual(["miss", "stored", "hit", "hit"]);
    });
  });
});
