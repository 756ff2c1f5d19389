/** One page behind a cache and a middleware before it, and requests that wait for what they leave. */
import type { RequestHandler } from "express";
import type { CacheOptions, Kit } from "express-redis-kit";
import { type CacheLog, watchCache } from "./cache.ts";
import { makeKit, serve } from "./kit.ts";
import { type RawReply, send } from "./raw.ts";
import { expressApp } from "./shells.ts";

/** A page that is asked for. */
export interface CachedPage {
  readonly kit: Kit;
  readonly log: CacheLog;
  readonly url: string;
  /** Waits until what was answered is stored or refused. */
  readonly ask: (headers?: Record<string, string>, method?: string) => Promise<RawReply>;
}

/** A middleware that does nothing. */
export const nothing: RequestHandler = (_req, _res, next) => next();

/** `before`, the cache, `handler`. */
export async function startPage(
  options: CacheOptions,
  before: RequestHandler,
  handler: RequestHandler,
  template = "page",
): Promise<CachedPage> {
  const kit = makeKit({ redis: false });
  const log = watchCache(kit);
  const app = expressApp();
  app.use(before);
  app.get("/page", kit.cache(template, options), handler);
  const url = `${await serve(app)}/page`;
  let heads = 0;
  const ask = async (headers: Record<string, string> = {}, method = "GET") => {
    const reply = await send(url, { headers, method });
    if (method === "HEAD") heads += 1;
    await log.settled(log.events.filter(({ outcome }) => outcome === "miss").length - heads);
    return reply;
  };
  return { kit, log, url, ask };
}
