/** An app that does to sessions what a request body says; for tests of the session feature. */
import express, { type ErrorRequestHandler, type Express } from "express";
import { type Kit, KitError, type LoginOptions, type SessionOptions } from "express-redis-kit";

/** Makes the app. Errors answer their status and code. */
export function createSessionApp(kit: Kit, options: SessionOptions = {}): Express {
  const app = express();
  app.set("trust proxy", true);
  app.use(express.json());
  app.use(kit.session(options));
  app.get("/", (req, res) => {
    const { cookie: _cookie, ...data } = req.session;
    res.json({ id: req.sessionID, data, ended: req.sessionEnded?.reason ?? null });
  });
  app.post("/set", (req, res) => {
    Object.assign(req.session, req.body);
    res.json({ id: req.sessionID });
  });
  app.post("/login", async (req, res) => {
    const { user, ...rest } = req.body as LoginOptions & { user: string };
    await kit.login(req, user, rest);
    res.json({ id: req.sessionID });
  });
  app.post("/logout", async (req, res) => {
    await kit.logout(req);
    res.json({ user: req.session.userId ?? null });
  });
  app.post("/destroy", (req, res, next) => {
    req.session.destroy((error: unknown) => (error ? next(error) : res.end()));
  });
  app.post("/regenerate", (req, res, next) => {
    const keep = { ...req.body } as object;
    req.session.regenerate((error: unknown) => {
      if (error) return next(error);
      Object.assign(req.session, keep);
      res.json({ id: req.sessionID });
    });
  });
  app.use(((error, _req, res, _next) => {
    const status = error instanceof KitError ? error.status : 500;
    res
      .status(status)
      .set(error.headers ?? {})
      .json({ code: error.code, fix: error.fix });
  }) as ErrorRequestHandler);
  return app;
}
