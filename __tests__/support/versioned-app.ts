/** An Express app whose answers name their own version, so that a test sees which run of a handler it was given. */
import type { Request } from "express";
import type { CacheOptions, Kit, KitOptions, Middleware } from "express-redis-kit";
import { type CacheLog, watchCache } from "./cache.ts";
import { makeKit, serve } from "./kit.ts";
import { type RawOptions, type RawReply, send, textOf } from "./raw.ts";
import { type Express, EXPRESSES, expressApp } from "./shells.ts";

/** A path with a cache of its own. */
export interface VersionedRoute {
  readonly path: string;
  readonly template: string;
  readonly options?: CacheOptions;
}

/** The app, on a kit of its own. */
export interface VersionedApp {
  readonly kit: Kit;
  readonly log: CacheLog;
  readonly url: string;
  ask(path: string, options?: RawOptions): Promise<RawReply>;
  /** Asks, and waits until what a miss brought is stored. */
  warm(path: string, options?: RawOptions): Promise<void>;
  /** Whether what is asked for was stored. */
  isHit(path: string, options?: RawOptions): Promise<boolean>;
}

/** Says who is asking, as login code does: from the request's field X-User. */
const signIn: Middleware = (request, _response, next) => {
  const id = request.headers["x-user"];
  if (id !== undefined) Object.assign(request, { user: { id } });
  next();
};

/** Makes it. `writes` are further routes, for methods that change something. */
export async function startVersioned(
  options: KitOptions,
  routes: readonly VersionedRoute[],
  writes: (app: ReturnType<Express>, kit: Kit) => void = () => {},
  express: Express = EXPRESSES[0]!.express,
): Promise<VersionedApp> {
  const kit = makeKit({ deadline: "10s", connectDeadline: "10s", ...options });
  await kit.ready();
  const log = watchCache(kit);
  const app = expressApp(express);
  app.use(signIn);
  let version = 0;
  for (const route of routes) {
    app.get(route.path, kit.cache(route.template, route.options), (req: Request, res) => {
      version += 1;
      res.send(`${req.originalUrl} ${version}`);
    });
  }
  writes(app, kit);
  const url = await serve(app);
  const ask = (path: string, more: RawOptions = {}): Promise<RawReply> =>
    send(url, { path, ...more });
  return {
    kit,
    log,
    url,
    ask,
    warm: async (path, more) => {
      const settled = log
        .outcomes()
        .filter((outcome) => outcome === "stored" || outcome === "refused").length;
      const reply = await ask(path, more);
      if (!isHit(reply)) await log.settled(settled + 1);
    },
    isHit: async (path, more) => isHit(await ask(path, more)),
  };
}

function isHit({ headers }: RawReply): boolean {
  return String(headers["cache-status"]).startsWith("express-redis-kit; hit");
}

/** What {@link VersionedApp.ask} answered, without the path. */
export function versionOf(reply: RawReply): number {
  return Number(textOf(reply).split(" ").at(-1));
}
