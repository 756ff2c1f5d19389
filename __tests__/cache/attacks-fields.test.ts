/** What depends on a request's fields, or belongs to one client, reaches nobody else by way of the cache. */
import { describe, expect, it } from "@jest/globals";
import { nothing, startPage } from "../support/cached-page.ts";
import { get } from "node:http";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { expressApp } from "../support/shells.ts";

describe.each(["60s", "origin"] as const)("with ttl %s", (ttl) => {
  it("a Vary that a middleware before the cache set tells languages apart", async () => {
    const { ask } = await startPage(
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
    const { ask } = await startPage(
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

it("under scope 'user', what an anonymous client's session shows is not shared", async () => {
  let count = 0;
  const { ask } = await startPage(
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
  const { ask } = await startPage(
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
  const { kit, log, url, ask } = await startPage({ staleIfError: "1h" }, nothing, (_req, res) => {
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
  const { ask } = await startPage(
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
