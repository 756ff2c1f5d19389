import { describe, expect, it } from "@jest/globals";
import type { ErrorRequestHandler, RequestHandler } from "express";
import { KitError, type KitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { EXPRESSES, expressApp } from "../support/shells.ts";
import { startVersioned, type VersionedApp } from "../support/versioned-app.ts";

const answerAs: RequestHandler = (req, res) => {
  res.status(Number(req.query["status"] ?? 200)).json({ ok: true });
};

describe.each(EXPRESSES)("cache.purges, under $name", ({ express }) => {
  const start = (options: KitOptions): Promise<VersionedApp> =>
    startVersioned(
      options,
      [
        {
          path: "/brands/:id",
          template: "brand",
          options: { tags: ["brand:[id]", "brands"], query: ["page"], stale: "60s" },
        },
        {
          path: "/brands/:id/settings",
          template: "brand:settings",
          options: { tags: ["brand:[id]"] },
        },
        { path: "/list", template: "list", options: { tags: ["brands", "lists"] } },
      ],
      (app, { cache }) => {
        app.put("/by-template/:id", cache.purges("brand:settings"), answerAs);
        app.put("/by-params/:id", cache.purges("brand:[id]:settings"), answerAs);
        app.put("/by-tag/:id", cache.purges("brand:[id]"), answerAs);
        app.put("/by-word/:id", cache.purges("brands"), answerAs);
        app.put("/by-both/:id", cache.purges("brand:settings", "lists"), answerAs);
        app.put("/twice/:id", cache.purges("lists"), cache.purges("brand:settings"), answerAs);
      },
      express,
    );

  describeBackends("a write", (backend) => {
    const PATHS = ["/brands/1", "/brands/1?page=2", "/brands/1/settings", "/brands/2", "/list"];
    const rest = (...gone: string[]) => PATHS.filter((path) => !gone.includes(path));
    const ofBrand = ["/brands/1", "/brands/1?page=2", "/brands/1/settings"];

    it.each([
      ["by-template", rest("/brands/1/settings")],
      ["by-params", rest("/brands/1/settings")],
      ["by-tag", rest(...ofBrand)],
      ["by-word", ["/brands/1/settings"]],
      ["by-both", rest("/brands/1/settings", "/list")],
      ["twice", rest("/brands/1/settings", "/list")],
    ])("%s takes back what it names", async (path, kept) => {
      const app = await start(backend.options());
      for (const status of [200, 204, 303]) {
        for (const each of PATHS) await app.warm(each);
        for (const failure of [400, 404, 409, 500]) {
          await app.ask(`/${path}/1?status=${failure}`, { method: "PUT" });
        }
        const before: string[] = [];
        for (const each of PATHS) if (await app.isHit(each)) before.push(each);
        expect(before).toEqual(PATHS);
        await app.ask(`/${path}/1?status=${status}`, { method: "PUT" });
        const after: string[] = [];
        for (const each of PATHS) if (await app.isHit(each)) after.push(each);
        expect(after).toEqual(kept);
      }
    });
  });

  it("is an error before the handler where its route lacks what a target names", async () => {
    const { cache } = makeKit({ redis: false });
    let writes = 0;
    const app = expressApp(express);
    app.put("/brands/:brand", cache.purges("list", "brand:[id]"), (_req, res) => {
      writes += 1;
      res.end();
    });
    app.use(((error, _req, res, _next) => {
      res.json(error instanceof KitError ? error.code : null);
    }) as ErrorRequestHandler);
    const url = await serve(app);
    const reply = await send(url, { path: "/brands/1", method: "PUT" });
    expect(reply.body.toString()).toBe('"CACHE_KEY_INCOMPLETE"');
    expect(writes).toBe(0);
  });
});

it("cache.purges() that names nothing is an error", () => {
  expect(() => makeKit({ redis: false }).cache.purges()).toThrow(
    expect.objectContaining({ code: "INVALID_OPTION" }),
  );
});
