/** The stack that people come from: express-session and connect-redis on node-redis, and login code of their own. */
import { RedisStore } from "connect-redis";
import express, { type RequestHandler } from "express";
import expressSession, { type CookieOptions } from "express-session";
import { createClient } from "redis";
import { serve } from "./kit.ts";

/** How it was set up. */
export interface StockOptions {
  readonly socketPath: string;
  readonly prefix?: string;
  readonly secret: string;
  readonly name?: string;
  readonly cookie?: CookieOptions;
}

/** The routes that both stacks have: they know express-session and nothing else. */
export function routes(session: RequestHandler): ReturnType<typeof express> {
  const app = express();
  app.set("env", "test");
  app.use(session, express.json());
  app.post("/login", (req, res, next) => {
    req.session.regenerate((failure?: unknown) => {
      if (failure) return next(failure);
      req.session.userId = (req.body as { user: string }).user;
      req.session.save((error?: unknown) => (error ? next(error) : res.json({ ok: true })));
    });
  });
  app.post("/set", (req, res) => {
    Object.assign(req.session, req.body);
    res.json({ ok: true });
  });
  app.post("/logout", (req, res, next) => {
    req.session.destroy((error?: unknown) => (error ? next(error) : res.json({ ok: true })));
  });
  app.get("/me", (req, res) => {
    const { cookie: _cookie, ...data } = req.session;
    res.json({ ...data, ended: req.sessionEnded?.reason });
  });
  return app;
}

/** Serves them over the stock stack; `stop` closes its client. */
export async function serveStock(
  options: StockOptions,
): Promise<{ url: string; store: RedisStore; stop: () => void }> {
  const client = createClient({ socket: { path: options.socketPath, tls: false } });
  await client.connect();
  const store = new RedisStore({ client, ...(options.prefix && { prefix: options.prefix }) });
  const session = expressSession({
    store,
    secret: options.secret,
    resave: false,
    saveUninitialized: false,
    ...(options.name && { name: options.name }),
    ...(options.cookie && { cookie: options.cookie }),
  });
  return { url: await serve(routes(session)), store, stop: () => client.destroy() };
}
