import { describe, expect, it } from "@jest/globals";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send, textOf } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";
import type { CacheOptions, Kit } from "express-redis-kit";

const BYPASS = "express-redis-kit; fwd=bypass; detail=query";

describe.each(EXPRESSES)("the query under $name", ({ express }) => {
  /** Answers all that a handler can see of the URL, and how often it ran. */
  async function start(kit: Kit, options: CacheOptions) {
    const log = watchCache(kit);
    const state = { handled: 0 };
    const app = express();
    const router = express.Router();
    router.get("/list", kit.cache("list", options), (req, res) => {
      state.handled++;
      res.json({ url: req.url, originalUrl: req.originalUrl, query: req.query });
    });
    app.use("/api", router);
    const url = await serve(app);
    return {
      state,
      ask: async (query: string): Promise<RawReply> => {
        const reply = await send(url, { path: `/api/list${query}` });
        const misses = log.events.filter(({ outcome }) => outcome === "miss").length;
        await log.settled(misses);
        return reply;
      },
    };
  }
  const json = (reply: RawReply) =>
    JSON.parse(textOf(reply)) as { url: string; originalUrl: string; query: object };

  describeBackends("cache()", (backend) => {
    it("bypasses for a parameter that it was not told of", async () => {
      const { ask, state } = await start(makeKit(backend.options()), {});
      for (const query of ["?a=1", "?a", "?=", "?%", "?%zz=1", "?a[b]=1", "?constructor=1"]) {
        expect((await ask(query)).headers["cache-status"]).toBe(BYPASS);
      }
      expect(state.handled).toBe(7);
    });

    it("takes an empty query for none", async () => {
      const { ask, state } = await start(makeKit(backend.options()), {});
      await ask("");
      await ask("?");
      await ask("?&&");
      expect(state.handled).toBe(1);
    });

    it("keeps named parameters apart by their raw values, whatever their order", async () => {
      const { ask, state } = await start(makeKit(backend.options()), { query: ["page", "sort"] });
      const different = [
        "?page=1",
        "?page=2",
        "?page=",
        "?page",
        "?page=1&page=2",
        "?page=2&page=1",
        "?page=a+b",
        "?page=a%20b",
        "?page=a%2Bb",
        "?page=1%26sort=2",
        "?page=1&sort=2",
        "?page=%zz",
        "?page=%",
        "?sort=1",
        "?page=1%00",
        `?page=${"x".repeat(8000)}`,
      ];
      const first: string[] = [];
      for (const query of different) first.push(textOf(await ask(query)));
      expect(state.handled).toBe(different.length);
      for (const [index, query] of different.entries()) {
        const reply = await ask(query);
        expect(textOf(reply)).toBe(first[index]);
        expect(reply.headers["cache-status"]).toMatch(/; hit;/);
      }
      expect((await ask("?sort=2&page=1")).headers["cache-status"]).toMatch(/; hit;/);
      expect((await ask("?p%61ge=1")).headers["cache-status"]).toMatch(/; (hit|fwd=miss)/);
      expect((await ask("?page[]=1")).headers["cache-status"]).toBe(BYPASS);
      expect((await ask("?Page=1")).headers["cache-status"]).toBe(BYPASS);
      expect((await ask("?page=1&other=2")).headers["cache-status"]).toBe(BYPASS);
    });

    it("takes ignored parameters off all that the handler can see", async () => {
      const { ask, state } = await start(makeKit(backend.options()), {
        query: ["page"],
        ignoreQuery: ["utm_*", "fbclid"],
      });
      const clean = { url: "/list?page=1", originalUrl: "/api/list?page=1", query: { page: "1" } };
      for (const query of [
        "?utm_source=x&page=1&utm_campaign=<script>&fbclid=2",
        "?page=1",
        "?page=1&utm%5Fsource=y",
        "?page=1&utm_",
        "?%66bclid=3&page=1&fbclid",
        "?utm_a=1&utm_a=2&page=1",
        "?utm_x[a]=1&page=1",
      ]) {
        expect(json(await ask(query))).toEqual(clean);
      }
      expect(state.handled).toBe(1);
      expect(json(await ask("?utm_source=x"))).toEqual({
        url: "/list",
        originalUrl: "/api/list",
        query: {},
      });
      expect((await ask("?page=1&fbclid_=1")).headers["cache-status"]).toBe(BYPASS);
      expect((await ask("?page=1&xutm_a=1")).headers["cache-status"]).toBe(BYPASS);
    });

    it("leaves nothing of an ignored parameter where another one bypasses", async () => {
      const { ask } = await start(makeKit(backend.options()), { ignoreQuery: ["utm_*"] });
      const reply = await ask("?a=1&utm_source=x&b=2");
      expect(reply.headers["cache-status"]).toBe(BYPASS);
      expect(json(reply).originalUrl).toBe("/api/list?a=1&b=2");
      expect(json(reply).query).toEqual({ a: "1", b: "2" });
    });
  });

  it("refuses a parameter that is both named and ignored", () => {
    const { cache } = makeKit({ redis: false });
    const bad = expect.objectContaining({ code: "INVALID_OPTION" });
    expect(() => cache("x", { query: ["a"], ignoreQuery: ["a"] })).toThrow(bad);
    expect(() => cache("x", { query: ["ab"], ignoreQuery: ["a*"] })).toThrow(bad);
    expect(() => cache("x", { query: "a" as unknown as string[] })).toThrow(bad);
    expect(() => cache("x", { query: [""] })).toThrow(bad);
  });
});

describe("options of cache()", () => {
  it.each<[string, string, object]>([
    ["UNKNOWN_OPTION", "ttll", { ttll: "5m" }],
    ["INVALID_DURATION", "ttl", { ttl: "5 mintues" }],
    ["INVALID_DURATION", "ttl", { ttl: 0 }],
    ["INVALID_OPTION", "scope", { scope: "private" }],
    ["INVALID_OPTION", "host", { host: "no" }],
    ["INVALID_OPTION", "maxBytes", { maxBytes: 0 }],
    ["INVALID_OPTION", "vary", { vary: "Accept" }],
    ["INVALID_OPTION", "ignoreCookies", { ignoreCookies: [1] }],
  ])("%s: %s", (code, text, options) => {
    const { cache } = makeKit({ redis: false });
    expect(() => cache("x", options)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(text) }),
    );
  });
});
