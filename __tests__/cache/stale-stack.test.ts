import { describe, expect, it } from "@jest/globals";
import compression from "compression";
import type { Middleware } from "express-redis-kit";
import { gunzipSync } from "node:zlib";
import { describeBackends } from "../support/backends.ts";
import { textOf } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { EXPRESSES, SHELLS } from "../support/shells.ts";
import { storePage } from "../support/stored-page.ts";

describe.each(EXPRESSES)(
  "below session(), rateLimit() and compression(), under $name",
  ({ name }) => {
    const shell = SHELLS.find((one) => one.name === name)!;
    const long = "a text that is long enough to be worth compressing. ".repeat(100);

    describeBackends("a stale entry", (backend) => {
      it("is served compressed, counted and without a session; its refresh counts for nobody", async () => {
        const { kit, app, log } = await storePage(backend.options(), {
          shell,
          above: (made) => [
            compression({ threshold: 0 }) as Middleware,
            made.rateLimit({ limit: 1000, legacyHeaders: true }),
            made.session(),
          ],
        });
        await kit.cache.expire("page");
        app.answerAll((response) => {
          response.setHeader("Content-Type", "text/plain");
          response.end(long);
        });
        const remaining: number[] = [];
        const askZipped = async (): Promise<string> => {
          const reply = await app.ask({ headers: { "Accept-Encoding": "gzip" } });
          expect(reply.status).toBe(200);
          expect(reply.headers["set-cookie"]).toBeUndefined();
          expect(String(reply.headers["cache-status"]).split(",")).toHaveLength(1);
          remaining.push(Number(reply.headers["x-ratelimit-remaining"]));
          const isZipped = reply.headers["content-encoding"] === "gzip";
          return (isZipped ? gunzipSync(reply.body) : reply.body).toString();
        };
        expect(await askZipped()).toBe("old");
        await log.settled(2);
        expect(await askZipped()).toBe(long);
        expect(await askZipped()).toBe(long);
        expect(remaining).toEqual([remaining[0]!, remaining[0]! - 1, remaining[0]! - 2]);
        const plain = await app.ask();
        expect([plain.headers["content-encoding"], textOf(plain)]).toEqual([undefined, long]);
        expect(app.calls).toHaveLength(2);
      });

      it("is refreshed for all, though the handler looks at a session: then it is not stored", async () => {
        const { kit, app, log } = await storePage(backend.options(), {
          shell,
          above: (made) => [made.session()],
        });
        await kit.cache.expire("page");
        expect(textOf(await app.ask())).toBe("old");
        await app.called(2);
        app.answer(1, (response, request) => {
          Object.assign((request as unknown as { session: object }).session, { views: 1 });
          response.end("personal");
        });
        await log.settled(2);
        expect(log.events.at(-1)).toMatchObject({ outcome: "refused" });
        app.answerAll("new");
        await until(async () => {
          const reply = await app.ask();
          expect(["old", "new"]).toContain(textOf(reply));
          expect(reply.headers["set-cookie"]).toBeUndefined();
          return textOf(reply) === "new";
        }, "it is refreshed");
      });
    });
  },
);
