/** What validates a stored response, a 304 or a HEAD, tells nobody of somebody else. */
import { describe, expect, it } from "@jest/globals";
import type { RequestHandler } from "express";
import { afterRoundTrips } from "../support/cache.ts";
import { nothing, startPage } from "../support/cached-page.ts";
import { textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";

describe("by RFC 9111", () => {
  it("a handler that takes a varied field off its request is not stored for those who send none", async () => {
    const { ask } = await startPage({ ttl: "origin" }, nothing, (req, res) => {
      const language = req.headers["accept-language"] ?? "none";
      delete req.headers["accept-language"];
      res.vary("Accept-Language").set("Cache-Control", "max-age=60").send(language);
    });
    await ask({ "Accept-Language": "de" });
    expect(textOf(await ask())).toBe("none");
  });

  /** Answers whole at first, then with a field of a session that belongs to whoever asks. */
  const personal: RequestHandler = (req, res) => {
    res.set({ "Cache-Control": "max-age=60", ETag: '"same"' });
    const isFirst = req.headers["if-none-match"] === undefined && req.method !== "HEAD";
    if (!isFirst) {
      const { id } = (req as unknown as { session: { id: string } }).session;
      res.set("X-CSRF-Token", id).cookie("sid", id);
    }
    if (req.headers["if-none-match"] === undefined) res.send("body");
    else res.status(304).end();
  };
  const anonymousSession = (): RequestHandler => {
    let count = 0;
    return (req, _res, next) => {
      (req as { session?: unknown }).session = { id: `session-${(count += 1)}` };
      next();
    };
  };
  it("a field of a 304 whose handler used the session never reaches another client", async () => {
    const { kit, ask } = await startPage({ ttl: "origin" }, anonymousSession(), personal);
    await ask();
    await kit.cache.expire("page");
    const mine = String((await ask()).headers["x-csrf-token"]);
    expect((await ask()).headers["x-csrf-token"]).not.toBe(mine);
  });

  it("a field of a HEAD whose handler used the session never reaches another client", async () => {
    const { kit, ask } = await startPage({ ttl: "origin" }, anonymousSession(), personal);
    await ask();
    await kit.cache.expire("page");
    const mine = String((await ask({}, "HEAD")).headers["x-csrf-token"]);
    expect((await ask()).headers["x-csrf-token"]).not.toBe(mine);
  });

  it("a field of a HEAD whose handler looked at the session, and set no cookie, reaches nobody", async () => {
    const { kit, ask } = await startPage({ ttl: "origin" }, anonymousSession(), (req, res) => {
      res.set({ "Cache-Control": "max-age=60", ETag: '"same"' });
      if (req.method === "HEAD") {
        res.set("X-CSRF-Token", (req as unknown as { session: { id: string } }).session.id);
      }
      res.send("body");
    });
    await ask();
    await kit.cache.expire("page");
    const mine = String((await ask({}, "HEAD")).headers["x-csrf-token"]);
    await afterRoundTrips(kit);
    expect((await ask()).headers["x-csrf-token"]).not.toBe(mine);
  });

  it("a HEAD with Vary: * makes no entry that is used without asking", async () => {
    const { kit, ask } = await startPage({ ttl: "origin" }, nothing, (req, res) => {
      res.set({ "Cache-Control": "max-age=60", ETag: '"same"' });
      if (req.method === "HEAD") res.set("Vary", "*");
      res.send("body");
    });
    await ask();
    await kit.cache.expire("page");
    await ask({}, "HEAD");
    await afterRoundTrips(kit);
    expect((await ask()).headers["cache-status"]).not.toMatch(/; hit/);
  });

  it("the Age of a HEAD counts for the entry that it confirms", async () => {
    const { kit, ask } = await startPage({ ttl: "origin" }, nothing, (req, res) => {
      res.set({ "Cache-Control": "max-age=60", ETag: '"same"' });
      if (req.method === "HEAD") res.set("Age", "50");
      res.send("body");
    });
    await ask();
    await kit.cache.expire("page");
    await ask({}, "HEAD");
    await until(
      async () => (await ask({}, "HEAD")).headers["cache-status"]!.includes("hit"),
      "confirmed",
    );
    expect(Number((await ask({}, "HEAD")).headers["age"])).toBeGreaterThanOrEqual(50);
  });

  it("a 304 with Vary: * makes no entry that is used without asking", async () => {
    const { kit, ask } = await startPage({ ttl: "origin" }, nothing, (req, res) => {
      res.set({ "Cache-Control": "max-age=60", ETag: '"same"' });
      if (req.headers["if-none-match"] === undefined) res.send("body");
      else res.set("Vary", "*").status(304).end();
    });
    await ask();
    await kit.cache.expire("page");
    await ask();
    expect((await ask()).headers["cache-status"]).not.toMatch(/; hit/);
  });
});
