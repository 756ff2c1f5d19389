/** One route behind some of a kit's middlewares, and clients that know its way. */
import type { IncomingMessage, RequestListener } from "node:http";
import type { RequestHandler } from "express";
import type { Kit, Middleware } from "express-redis-kit";
import { afterRoundTrips } from "./cache.ts";
import { serve } from "./kit.ts";
import { type RawOptions, type RawReply, send } from "./raw.ts";
import { cookieOf } from "./session-app.ts";
import { expressApp, type Express, type Handler } from "./shells.ts";

/** Where its GETs go, unless told otherwise. */
export const PATH = "/brands/456/settings";

/** Runs middlewares and a handler. */
export type Listener = (middlewares: readonly Middleware[], handler: Handler) => RequestListener;

/** A served stack. */
export interface Stack {
  readonly url: string;
  /** Runs of the handler by GET and HEAD. */
  readonly runs: () => number;
  /** Signs a new client in, through the same middlewares; answers its cookie. */
  readonly signIn: (user?: string) => Promise<string>;
  /** A GET of {@link PATH}. */
  readonly ask: (cookie?: string, options?: RawOptions) => Promise<RawReply>;
  /** Asks twice, and waits until all that this leaves is done. */
  readonly warm: (cookie?: string, options?: RawOptions) => Promise<void>;
}

/** All middlewares on the route itself. */
export function onRoute(shell?: Express): Listener {
  return (middlewares, handler) => {
    const app = expressApp(shell);
    const handlers = [...middlewares, handler] as RequestHandler[];
    app.get("/brands/:id/settings", ...handlers);
    app.post("/login", ...handlers);
    return app as RequestListener;
  };
}

/** Whom a request's session belongs to, if it has one. */
export function userOf(request: IncomingMessage): string | undefined {
  return (request as { session?: { userId?: string } }).session?.userId;
}

/** To be mounted before the cache: says in a header field who is signed in. */
export const tellUser: Middleware = (request, response, next) => {
  response.setHeader("X-User", userOf(request) ?? "nobody");
  next();
};

/** `session()` and who it found. */
export function toldSession(kit: Kit): Middleware[] {
  return [kit.session(), tellUser];
}

/** Limiter, session with its guard, cache. */
export function fullStack(kit: Kit): Middleware[] {
  return [kit.rateLimit(), ...toldSession(kit), kit.cache("brand:settings", { scope: "public" })];
}

/** What of a reply tells the stack's story: status, user, and what the cache said. */
export function storyOf({ status, headers }: RawReply): string {
  const cacheStatus = String(headers["cache-status"] ?? "");
  const [, story] = /; (hit|fwd=[\w-]+)/.exec(cacheStatus) ?? [];
  return [status, headers["x-user"] ?? "-", story ?? "-"].join(" ");
}

/** Serves them; a POST signs in, and everything else is told which run of the handler it was. */
export async function serveStack(
  kit: Kit,
  middlewares: readonly Middleware[],
  listener: Listener = onRoute(),
): Promise<Stack> {
  let runs = 0;
  const handler: Handler = async (request, response) => {
    if (request.method === "POST") {
      await kit.login(request, String(request.headers["x-as"]));
      response.end();
      return;
    }
    runs += 1;
    response.end(`run ${runs}`);
  };
  const url = await serve(listener(middlewares, handler));
  const ask: Stack["ask"] = (cookie, options = {}) => {
    const headers = { ...(cookie && { Cookie: cookie }), ...options.headers };
    return send(url, { path: PATH, ...options, headers });
  };
  return {
    url,
    runs: () => runs,
    signIn: async (user = "7") => {
      const headers = { "X-As": user };
      return cookieOf(await send(url, { path: "/login", method: "POST", headers }));
    },
    ask,
    warm: async (cookie, options) => {
      for (let times = 0; times < 2; times++) {
        await ask(cookie, options);
        await afterRoundTrips(kit);
      }
    },
  };
}
