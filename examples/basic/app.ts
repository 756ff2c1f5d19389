/** The example app: what a team would write, on the kit's bare functions. */
import { fileURLToPath } from "node:url";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import {
  cache,
  health,
  KitError,
  login,
  logout,
  rateLimit,
  security,
  session,
  sessions,
} from "express-redis-kit";
import { findUser, readSettings, writeSettings } from "./data.ts";

const PUBLIC = fileURLToPath(new URL("public", import.meta.url));

const requireUser: RequestHandler = (req, res, next) => {
  if (req.session.userId !== undefined) next();
  else
    res
      .status(401)
      .json({ error: "anonymous", ...(req.sessionEnded && { reason: req.sessionEnded.reason }) });
};

/** What a KitError says is for the developer; in an app with strangers as users, log it and send the code alone. */
const answerKitError: ErrorRequestHandler = (error, _req, res, next) => {
  if (!(error instanceof KitError) || res.headersSent) next(error);
  else
    res
      .status(error.status)
      .set(error.headers)
      .json({ error: error.code, message: error.message, fix: error.fix });
};

/** `1`, `true`, `loopback, 10.0.0.0/8`: what an environment variable says, in Express's syntax. */
function trustProxy(text: string | undefined): boolean | number | string {
  if (text === undefined || text === "" || text === "false") return false;
  if (text === "true") return true;
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** Where a user sees the browsers that are signed in, and ends what is not theirs. */
function addSessionRoutes(app: Express, most: number): void {
  app.get("/sessions", requireUser, async (req, res) => {
    res.json({ most, sessions: await sessions.list(req.session.userId!, req) });
  });
  app.delete("/sessions/:handle", requireUser, async (req, res) => {
    const wasLive = await sessions.end(req.session.userId!, String(req.params["handle"]));
    if (wasLive) res.sendStatus(204);
    else res.status(404).json({ error: "no such session" });
  });
  app.post("/sessions/end-others", requireUser, async (req, res) => {
    res.json({ ended: await sessions.endOthers(req) });
  });
}

/** Makes the app. Configuration errors throw here, not in a request. */
export function createApp(): Express {
  const app = express();
  app.set("trust proxy", trustProxy(process.env["TRUST_PROXY"]));
  app.use(security());
  // A page needs a policy that lets its own script and style load; an API does not.
  const page = security({
    contentSecurityPolicy: {
      directives: { "script-src": ["'self'"], "upgrade-insecure-requests": null },
    },
  });
  app.use(page, express.static(PUBLIC));

  app.use(rateLimit());
  // One live session a user is the kit's default; with more, a login too many ends the oldest.
  const concurrent = Number(process.env["CONCURRENT"] || 1);
  app.use(session({ concurrent }));
  app.use(express.json(), express.urlencoded({ extended: false }));

  app.post("/login", rateLimit("auth"), async (req, res) => {
    const user = findUser(req.body);
    if (user === undefined) {
      res.status(401).json({ error: "wrong user name or password" });
      return;
    }
    await login(req, user);
    res.json({ user });
  });
  app.post("/logout", async (req, res) => {
    await logout(req);
    res.sendStatus(204);
  });
  app.get("/me", requireUser, (req, res) => {
    res.json({ user: req.session.userId });
  });
  addSessionRoutes(app, concurrent);

  app.get(
    "/brands/:id/settings",
    cache("brand:settings", { scope: "public" }),
    async (req, res) => {
      res.json(await readSettings(req.params.id));
    },
  );
  app.put("/brands/:id/settings", requireUser, cache.purges("brand:settings"), (req, res) => {
    res.json(writeSettings(String(req.params["id"]), req.body));
  });

  app.get("/health", async (_req, res) => {
    const report = await health();
    res.status(report.status === "down" ? 503 : 200).json(report);
  });

  app.use(answerKitError);
  return app;
}
