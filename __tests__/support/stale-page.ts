/** A page that was rendered for nobody, and has become stale. */
import { expect } from "@jest/globals";
import type { RequestHandler } from "express";
import type { CacheOptions, Kit } from "express-redis-kit";
import type { Backend } from "./backends.ts";
import { type CacheLog, watchCache } from "./cache.ts";
import { makeKit } from "./kit.ts";
import { EXPRESSES } from "./shells.ts";
import { type PageParts, serveTold, tellPerson, type ToldPage } from "./told-page.ts";

/** The page, and who watches it. */
export interface StalePage {
  readonly kit: Kit;
  readonly log: CacheLog;
  readonly page: ToldPage;
}

/** What a page has, beside session() before the cache if it is asked for. */
export interface StaleParts extends PageParts {
  readonly session?: true;
}

/** Makes the page; what its parts say of middlewares after the cache, and of the answer, holds from its second rendering on. */
export async function staleFor(
  backend: Backend,
  parts: StaleParts,
  options: CacheOptions = { stale: "1h" },
): Promise<StalePage> {
  const { express } = EXPRESSES[backend.name === "memory" ? 1 : 0]!;
  const kit = makeKit({ ...backend.options(), secret: "s" });
  const log = watchCache(kit);
  let isFirst = true;
  const markFirst: RequestHandler = (_req, res, next) => {
    res.locals["isFirst"] = isFirst;
    isFirst = false;
    next();
  };
  const after = (parts.after ?? []).map((each): RequestHandler => (req, res, next) => {
    if (res.locals["isFirst"] === true) next();
    else each(req, res, next);
  });
  const session = parts.session === true ? [kit.session() as RequestHandler] : [];
  const page = await serveTold(express, kit, {
    before: [...session, ...(parts.before ?? [])],
    after: [markFirst, ...after],
    options: { ...options, ...parts.options },
    answer: (res, person) =>
      res.locals["isFirst"] === true
        ? tellPerson(res, person)
        : (parts.answer ?? tellPerson)(res, person),
  });
  await page.ask("nobody");
  await log.settled(1);
  expect(await kit.cache.expire("page")).toBe(true);
  return { kit, log, page };
}
