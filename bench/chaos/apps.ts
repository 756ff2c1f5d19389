/** The same small app three times: with the kit, wired by hand, and bare. */
import { RedisStore as SessionStore } from "connect-redis";
import express, { type Express, type Request } from "express";
import { rateLimit } from "express-rate-limit";
import session from "express-session";
import { RedisStore as RateLimitStore } from "rate-limit-redis";
import { createClient } from "redis";
import { createKit } from "../../src/index.ts";

const SECRET = "for these benchmarks only";
/** So high that nobody is refused, so long that one window holds a whole run. */
const LIMIT = 1_000_000;
const WINDOW = 3_600_000;
const USER = "bench";

function page(): string {
  return "<p>front page</p>";
}

function userOf(req: Request): unknown {
  return (req.session as unknown as Record<string, unknown> | undefined)?.["userId"] ?? null;
}

function silent(): void {}

/** Without Redis: what Express itself costs. */
export function bareApp(): Express {
  const app = express();
  app.get("/plain", (_req, res) => void res.send("plain"));
  app.get("/page", (_req, res) => void res.send(page()));
  app.get("/me", (_req, res) => void res.json({ user: USER }));
  return app;
}

/** With the kit's limiter, sessions and cache, all on its one connection. */
export async function kitApp(port: number): Promise<Express> {
  const kit = createKit({
    redis: `redis://127.0.0.1:${port}`,
    secret: SECRET,
    logger: { info: silent, warn: silent, error: silent },
  });
  await kit.ready();
  const app = express();
  app.set("trust proxy", 1);
  app.set("env", "test"); // Express's final handler prints errors otherwise.
  app.use(kit.rateLimit({ limit: LIMIT, window: WINDOW }), kit.session());
  app.post("/login", async (req, res) => {
    await kit.login(req, USER);
    res.sendStatus(204);
  });
  app.get("/plain", (_req, res) => void res.send("plain"));
  const cached = kit.cache("page:front", { scope: "public", ttl: "1s" });
  app.get("/page", cached, (_req, res) => void res.send(page()));
  app.get("/me", (req, res) => void res.json({ user: userOf(req) }));
  return app;
}

/** As the documentation of each package wires it, on node-redis with its defaults. */
export async function handWiredApp(port: number): Promise<Express> {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on("error", silent); // Without a listener, an outage would end the process.
  await client.connect();
  const app = express();
  app.set("trust proxy", 1);
  app.set("env", "test"); // Express's final handler prints errors otherwise.
  app.use(
    rateLimit({
      limit: LIMIT,
      windowMs: WINDOW,
      store: new RateLimitStore({ sendCommand: (...args) => client.sendCommand(args) }),
    }),
    session({
      store: new SessionStore({ client }),
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
    }),
  );
  app.post("/login", (req, res, next) => {
    req.session.regenerate((error?: unknown) => {
      if (error) return next(error);
      Object.assign(req.session, { userId: USER });
      res.sendStatus(204);
    });
  });
  app.get("/plain", (_req, res) => void res.send("plain"));
  app.get("/page", async (_req, res) => {
    const stored = await client.get("page:front");
    if (stored === null) {
      await client.set("page:front", page(), { expiration: { type: "PX", value: 1000 } });
    }
    res.send(stored ?? page());
  });
  app.get("/me", (req, res) => void res.json({ user: userOf(req) }));
  return app;
}
