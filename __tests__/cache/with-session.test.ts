import { describe, expect, it } from "@jest/globals";
import type { Request, RequestHandler, Response } from "express";
import { describeBackends } from "../support/backends.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send, textOf } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";

describe.each(EXPRESSES)("a public page that counts its views, under $name", ({ express }) => {
  describeBackends("session() and cache()", (backend) => {
    /** The handler changes a session that exists: it is saved, and no cookie is set. */
    async function start(answer: (res: Response) => unknown, where: "before" | "after") {
      const kit = makeKit({ ...backend.options(), secret: "s" });
      const log = watchCache(kit);
      const app = express();
      const session = kit.session() as RequestHandler;
      const cache = kit.cache("page", { scope: "public" }) as RequestHandler;
      app.get("/begin", session, (req, res) => {
        Object.assign(req.session, { views: 0 });
        res.send("begun");
      });
      app.get(
        "/page",
        where === "before" ? [session, cache] : [cache, session],
        (req: Request, res: Response) => {
          const data = req.session as unknown as { views: number };
          data.views++;
          answer(res);
        },
      );
      app.get("/views", session, (req, res) => void res.json(req.session));
      const url = await serve(app);
      const begun = await send(url, { path: "/begin" });
      const Cookie = begun.headers["set-cookie"]![0]!.split(";", 1)[0]!;
      const ask = (path: string): Promise<RawReply> => send(url, { path, headers: { Cookie } });
      return { log, ask };
    }

    describe.each(["before", "after"] as const)("session() mounted %s the cache", (where) => {
      it.each<[string, (res: Response) => unknown]>([
        ["send", (res) => res.send("page")],
        ["json", (res) => res.json("page")],
        ["write, end", (res) => (res.write("pa"), res.end("ge"))],
        ["end of nothing", (res) => res.end()],
      ])("is answered whole, saved once, and says the truth: %s", async (_name, answer) => {
        const { log, ask } = await start(answer, where);
        const miss = await ask("/page");
        await log.settled(1);
        const wasStored = log.outcomes().includes("stored");
        const said = String(miss.headers["cache-status"]).includes("stored");
        // "stored" may be left unsaid, but never said of what was not.
        expect(said && !wasStored).toBe(false);
        const again = await ask("/page");
        expect(/; hit/.test(String(again.headers["cache-status"]))).toBe(wasStored);
        expect(textOf(again)).toBe(textOf(miss));
        const views = JSON.parse(textOf(await ask("/views"))) as { views: number };
        expect(views.views).toBe(wasStored ? 1 : 2);
      });
    });
  });
});
