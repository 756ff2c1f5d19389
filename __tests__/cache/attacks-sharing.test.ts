import { describe, expect, it } from "@jest/globals";
import type { Request, Response } from "express";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { expressApp } from "../support/shells.ts";

describe("wrong sharing", () => {
  it("a query that a middleware wrote from a header", async () => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = expressApp();
    app.use((req, _res, next) => {
      req.url += `?lang=${req.headers["accept-language"]}`;
      next();
    });
    app.get("/page", kit.cache("page"), (req, res) => void res.send(req.query["lang"]));
    const url = `${await serve(app)}/page`;
    expect(textOf(await send(url, { headers: { "accept-language": "en" } }))).toBe("en");
    await log.settled(1);
    expect(textOf(await send(url, { headers: { "accept-language": "de" } }))).toBe("de");
  });

  it.each([
    ["set with another one", (res: Response) => res.set("Vary", "Origin, Accept-Encoding")],
    [
      "vary() with another one",
      (res: Response) => res.vary(["Origin", "Accept-Encoding"] as never),
    ],
    ["appendHeader()", (res: Response) => res.appendHeader("Vary", "Origin")],
    ["taken off and set", (res: Response) => (res.removeHeader("Vary"), res.set("Vary", "Origin"))],
  ])("a handler's own Vary: Origin, after cors(): %s", async (_name, vary) => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = expressApp();
    app.use((req, res, next) => {
      res.set("Access-Control-Allow-Origin", req.headers.origin).vary("Origin");
      next();
    });
    app.get("/page", kit.cache("page"), (req, res) => {
      vary(res);
      res.send(`for ${req.headers.origin}`);
    });
    const url = `${await serve(app)}/page`;
    expect(textOf(await send(url, { headers: { origin: "https://a.test" } }))).toBe(
      "for https://a.test",
    );
    await log.settled(1);
    expect(textOf(await send(url, { headers: { origin: "https://b.test" } }))).toBe(
      "for https://b.test",
    );
  });

  it("an authorized response whose middleware took the token off the request", async () => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = expressApp();
    app.get("/page", kit.cache("page", { ttl: "origin", scope: "public" }), (req, res) => {
      const token = req.headers.authorization ?? "nobody";
      delete req.headers.authorization; // So that it stands in no log.
      res.set("Cache-Control", "max-age=60").send(`for ${token}`);
    });
    const url = `${await serve(app)}/page`;
    await send(url, { headers: { authorization: "Bearer a" } });
    await log.settled(1);
    expect(textOf(await send(url))).toBe("for nobody");
  });

  it("a purged tag, from memory", async () => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = expressApp();
    let value = "old";
    const options = (memory: boolean) => ({
      tags: (req: Request) => [`list:${req.get("x-list")}`],
      ...(memory && { memory: { ttl: "60s" } }),
    });
    app.get("/page", kit.cache("page", options(true)), (_req, res) => void res.send(value));
    app.get("/apart", kit.cache("apart", options(false)), (_req, res) => void res.send(value));
    const url = await serve(app);
    const ask = async (path: string, list: string) =>
      textOf(await send(`${url}${path}`, { headers: { "x-list": list } }));
    await ask("/page", "a");
    await ask("/apart", "a");
    await log.settled(2);
    value = "new";
    await kit.cache.purgeTag("list:b");
    expect(await ask("/apart", "b")).toBe("new");
    expect(await ask("/page", "b")).toBe("new");
  });
});
