/** The app that every contender serves: a limiter, a session, a guard and a cached response. */
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from "express";
import { PATHS, settingsOf } from "./workloads.ts";

/** Counts the calls of handlers: a hit has none. */
export interface Calls {
  count: number;
}

/** What differs between those that have all four. */
export interface Parts {
  readonly limiter: RequestHandler;
  readonly session: RequestHandler;
  /** Signs a user in, on a new session. */
  readonly signIn: (req: Request, user: string) => Promise<void>;
  /** What follows the guard: the cache's lookup, and the handler. */
  readonly page: (template: string) => readonly RequestHandler<{ id: string }>[];
}

/** A server's app, before its routes. */
export function createApp(): Express {
  return express().set("trust proxy", 1);
}

const requireMember: RequestHandler<{ id: string }> = (req, res, next) => {
  if (req.session.userId === undefined) res.sendStatus(401);
  else next();
};

/** The handler, where a cache follows what it answers. */
export function showSettings(calls: Calls): RequestHandler<{ id: string }> {
  return (req, res) => {
    calls.count += 1;
    res.json(settingsOf(req.params.id));
  };
}

/** Puts the parts together, as their users do. */
export function appOf({ limiter, session, signIn, page }: Parts): Express {
  const app = createApp().use(limiter).use(session);
  app.post("/login/:user", async (req, res) => {
    await signIn(req, req.params.user);
    res.json({ user: req.params.user });
  });
  app.get<{ id: string }>(PATHS["signed-in"], requireMember, ...page("brand:settings"));
  app.get<{ id: string }>(PATHS.anonymous, ...page("open:brand:settings"));
  // Express would print each error; the benchmark counts their answers.
  app.use((error: { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    if (res.headersSent) res.destroy();
    else res.sendStatus(error.status ?? 500);
  });
  return app;
}

/** The same answers with nothing before them. */
export function bareAppOf(answer: (res: Response, id: string) => void): Express {
  const app = createApp();
  for (const path of new Set(Object.values(PATHS))) {
    app.get<{ id: string }>(path, (req, res) => answer(res, req.params.id));
  }
  return app;
}
