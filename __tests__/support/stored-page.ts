/** An app whose page was stored with the text `old`, for what becomes of it when it is stale. */
import type { CacheOptions, Kit, KitOptions, Middleware } from "express-redis-kit";
import { type CacheLog, watchCache } from "./cache.ts";
import { type HeldApp, serveHeld } from "./held-app.ts";
import { makeKit } from "./kit.ts";
import type { RawReply } from "./raw.ts";
import { type Shell, SHELLS } from "./shells.ts";

/** How it is made. */
export interface StoredPageOptions {
  /** Default: `stale` for five minutes. */
  cache?: CacheOptions;
  /** Default: Express 5. */
  shell?: Shell;
  /** What is mounted above the cache. */
  above?: (kit: Kit) => readonly Middleware[];
}

/** The app; its template is `page`, and its handler is held from now on. */
export interface StoredPage {
  readonly kit: Kit;
  readonly log: CacheLog;
  readonly app: HeldApp;
}

/** Makes it, and has it asked for once. */
export async function storePage(
  options: KitOptions,
  { cache = { stale: "5m" }, shell = SHELLS[0]!, above = () => [] }: StoredPageOptions = {},
): Promise<StoredPage> {
  const kit = makeKit({ deadline: "10s", connectDeadline: "10s", secret: "s", ...options });
  await kit.ready();
  const log = watchCache(kit);
  const app = await serveHeld([...above(kit), kit.cache("page", cache)], shell.listener);
  const first = app.ask();
  await app.called(1);
  app.answer(0, (response) => {
    response.setHeader("X-Version", "old");
    response.end("old");
  });
  await first;
  await log.settled(1);
  return { kit, log, app };
}

/** What the cache says that it did. */
export function cacheStatusOf({ headers }: RawReply): string {
  return String(headers["cache-status"]);
}
