import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "@jest/globals";
import compression from "compression";
import type { RequestHandler } from "express";
import { SHAPES } from "../support/body-shapes.ts";
import { essenceOf } from "../support/body-ways.ts";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";

const HANDLERS = ["compression after the cache", "pieces over many ticks", "a file"].map(
  (name) => [name, SHAPES[name]!.answer as unknown as RequestHandler] as const,
);

describe.each(EXPRESSES)("compression() under $name", ({ express }) => {
  describe.each(["gzip", "gzip, deflate, br", "identity", undefined])(
    "Accept-Encoding: %s",
    (accept) => {
      const headers: Record<string, string> =
        accept === undefined ? {} : { "Accept-Encoding": accept };
      const zip = compression({ threshold: 0 });
      const typed: RequestHandler = (_req, res, next) => {
        res.type("txt");
        next();
      };

      it.each(HANDLERS)("before the cache encodes hits like misses: %s", async (_name, handler) => {
        const kit = makeKit({ redis: false });
        const log = watchCache(kit);
        const bareUrl = await serve(express().get("/", zip, typed, handler));
        const cached = kit.cache("x") as RequestHandler;
        const url = await serve(express().get("/", zip, cached, typed, handler));
        const expected = essenceOf(await send(bareUrl, { headers }));
        expect(essenceOf(await send(url, { headers }))).toEqual(expected);
        await log.settled(1);
        const hit = await send(url, { headers });
        expect(hit.headers["cache-status"]).toMatch(/; hit/);
        expect(essenceOf(hit)).toEqual(expected);
      });

      it.each(HANDLERS)(
        "after the cache still answers every client: %s",
        async (_name, handler) => {
          const kit = makeKit({ redis: false });
          const log = watchCache(kit);
          const cached = kit.cache("x") as RequestHandler;
          const url = await serve(express().get("/", cached, zip, typed, handler));
          const plain = await send(await serve(express().get("/", typed, handler)));
          for (const ask of [headers, {}, { "Accept-Encoding": "gzip" }, headers]) {
            const reply = await send(url, { headers: ask });
            await log.settled(1);
            const isZipped = reply.headers["content-encoding"] === "gzip";
            expect(isZipped && !/gzip/.test(String(ask["Accept-Encoding"]))).toBe(false);
            const body = isZipped ? gunzipSync(reply.body) : reply.body;
            expect(body.equals(plain.body)).toBe(true);
          }
          expect(log.outcomes().filter((outcome) => outcome === "hit")).toHaveLength(3);
        },
      );
    },
  );
});
