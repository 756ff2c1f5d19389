/** What depends on a request's fields, or belongs to one client, reaches nobody else by way of the cache. */
import { describe, expect, it } from "@jest/globals";
import { get } from "node:http";
import { afterRoundTrips, watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { expressApp } from "../support/shells.ts";
import type { CacheOptions } from "express-redis-kit";
import type { RequestHandler } from "express";

/** `before`, the cache, `handler`. */
async function start(
  options: CacheOptions,
  before: RequestHandler,
  handler: RequestHandler,
  template = "page",
) {
  const kit = makeKit({ redis: false });
  const log = watchCache(kit);
  const app = expressApp();
  app.use(before);
  app.get("/page", kit.cache(template, options), handler);
  const url = `${await serve(app)}/page`;
  let heads = 0;
  /** Waits until what was answered is stored or refused. */
  const ask = async (headers: Record<string, string> = {}, method = "GET") => {
    const reply = await send(url, { headers, method });
    if (method === "HEAD") heads += 1;
    await log.settled(log.events.filter(({ outcome }) => outcome === "miss").length - heads);
    return reply;
  };
  return { kit, log, url, ask };
}

const nothing: RequestHandler = (_req, _res, next) => next();

describe.each(["60s", "origin"] as const)("with ttl %s", (ttl) => {
  it("a Vary that a middleware before the cache set tells languages apart", async () => {
    const { ask } = await start(
      { ttl },
      (req, res, next) => {
        res.vary("Accept-Language");
        res.locals["language"] = req.acceptsLanguages("de", "en");
        next();
      },
      (_req, res) => {
        res.set("Cache-Control", "max-age=60").send(res.locals["language"]);
      },
    );
    expect(textOf(await ask({ "Accept-Language": "de" }))).toBe("de");
    expect(textOf(await ask({ "Accept-Language": "en" }))).toBe("en");
  });

  it("one origin's Access-Control-Allow-Origin never reaches another origin", async () => {
    const { ask } = await start(
      { ttl },
      (_req, res, next) => {
        res.vary("Origin");
        res.set("Access-Control-Allow-Origin", "https://home.test");
        next();
      },
      (req, res) => {
        res.vary("Origin");
        res.set("Access-Control-Allow-Origin", req.get("Origin"));
        res.set("Cache-Control", "max-age=60").send("shared");
      },
    );
    await ask({ Origin: "https://a.test" });
    const { headers } = await ask({ Origin: "https://b.test" });
    expect(headers["access-control-allow-origin"]).not.toBe("https://a.test");
  });
});

describe("by RFC 9111", () => {
  it("a handler that takes a varied field off its request is not stored for those who send none", async () => {
    const { ask } = await start({ ttl: "origin" }, nothing, (req, res) => {
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
    const { kit, ask } = await start({ ttl: "origin" }, anonymousSession(), personal);
    await ask();
    await kit.cache.expire("page");
    const mine = String((await ask()).headers["x-csrf-token"]);
    expect((await ask()).headers["x-csrf-token"]).not.toBe(mine);
  });

  it("a field of a HEAD whose handler used the session never reaches another client", async () => {
    const { kit, ask } = await start({ ttl: "origin" }, anonymousSession(), personal);
    await ask();
    await kit.cache.expire("page");
    const mine = String((await ask({}, "HEAD")).headers["x-csrf-token"]);
    expect((await ask()).headers["x-csrf-token"]).not.toBe(mine);
  });

  it("a field of a HEAD whose handler looked at the session, and set no cookie, reaches nobody", async () => {
    const { kit, ask } = await start({ ttl: "origin" }, anonymousSession(), (req, res) => {
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
    const { kit, ask } = await start({ ttl: "origin" }, nothing, (req, res) => {
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
    const { kit, ask } = await start({ ttl: "origin" }, nothing, (req, res) => {
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
    const { kit, ask } = await start({ ttl: "origin" }, nothing, (req, res) => {
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

it("under scope 'user', what an anonymous client's session shows is not shared", async () => {
  let count = 0;
  const { ask } = await start(
    { scope: "user" },
    (req, _res, next) => {
      (req as { session?: unknown }).session = { id: `session-${(count += 1)}` };
      next();
    },
    (req, res) => {
      res.send((req as unknown as { session: { id: string } }).session.id);
    },
  );
  expect(textOf(await ask())).toBe("session-1");
  expect(textOf(await ask())).toBe("session-2");
});

it("a URL that a middleware before the cache rewrote is not another one's", async () => {
  const kit = makeKit({ redis: false });
  const log = watchCache(kit);
  const app = expressApp();
  app.use((req, _res, next) => {
    if (req.headers["x-beta"] !== undefined) req.url = `/beta${req.url}`;
    next();
  });
  app.use(kit.cache("page"));
  app.use((req, res) => void res.send(req.url));
  const url = await serve(app);
  await send(`${url}/page`, { headers: { "X-Beta": "1" } });
  await log.settled(1);
  expect(textOf(await send(`${url}/page`))).toBe("/page");
});

it("two caches of one template that vary on different fields share nothing", async () => {
  const kit = makeKit({ redis: false });
  const log = watchCache(kit);
  const [currency, language] = [
    kit.cache("page", { vary: ["x-currency"] }),
    kit.cache("page", { vary: ["x-language"] }),
  ];
  const app = expressApp();
  app.use((req, res, next) => (req.headers["x-new"] ? language : currency)(req, res, next));
  app.get("/page", (req, res) => void res.send(req.get("X-Language") ?? "none"));
  const url = `${await serve(app)}/page`;
  await send(url, { headers: { "X-Currency": "1" } });
  await log.settled(1);
  expect(textOf(await send(url, { headers: { "X-New": "1", "X-Language": "1" } }))).toBe("1");
});

it("a hit's Link is the handler's, commas and all", async () => {
  const { ask } = await start(
    {},
    (_req, res, next) => {
      res.append("Link", "</base.css>; rel=preload");
      next();
    },
    (_req, res) => {
      res.append("Link", '<https://fonts.test/css?family=A,B>; rel=preload; title="x,y"');
      res.send("page");
    },
  );
  const first = (await ask()).headers["link"];
  expect((await ask()).headers["link"]).toBe(first);
});

it("an entry that stands in for an error comes with its own reason phrase", async () => {
  let isBroken = false;
  const { kit, log, url, ask } = await start({ staleIfError: "1h" }, nothing, (_req, res) => {
    if (isBroken) throw new Error("down");
    res.send("page");
  });
  await ask();
  await kit.cache.expire("page");
  isBroken = true;
  const line = await new Promise((resolve) => {
    get(url, { agent: false }, (reply) => {
      reply.resume();
      resolve(`${reply.statusCode} ${reply.statusMessage}`);
    });
  });
  expect(log.outcomes()).toContain("stale");
  expect(line).toBe("200 OK");
});

it("a session that the handler replaces is told to whoever keeps it", async () => {
  let kept: unknown = "none";
  const { ask } = await start(
    {},
    (req, _res, next) => {
      Object.defineProperty(req, "session", {
        configurable: true,
        get: () => kept,
        set: (value) => {
          kept = value;
        },
      });
      next();
    },
    (req, res) => {
      (req as { session?: unknown }).session = "signed in";
      res.send("page");
    },
  );
  await ask();
  expect(kept).toBe("signed in");
});
