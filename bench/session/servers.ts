/** One app on each of the session stores that are compared, and on none. */
import { RedisStore } from "connect-redis";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import expressSession from "express-session";
import { Redis } from "ioredis";
import type { RequestListener } from "node:http";
import { createClient } from "redis";
import { createKit } from "../../src/index.ts";
import { adaptIoredis } from "../support/connect-redis-client.ts";

declare module "express-session" {
  interface SessionData {
    /** What the workload `write` counts up. */
    writes?: number;
  }
}

/** Starts one server's app. */
export type Start = (redisPort: number) => Promise<RequestListener>;

const SECRET = "one secret of 44 characters signs for each.."; // gitleaks:allow
/** The kit's in production; the peers get the same, so that all send as many bytes. */
const COOKIE_NAME = "__Host-sid";
const COOKIE = { path: "/", httpOnly: true, sameSite: "lax", secure: true } as const;

/** A server's app, before its routes. */
function createApp(): Express {
  return express().set("trust proxy", 1);
}

/** The routes behind a session. A request that is not signed in is refused, so no 200 comes without a session. */
function addRoutes(app: Express, signIn: (req: Request, user: string) => Promise<void>): Express {
  app.get("/read", (req, res) => {
    const user = req.session.userId;
    if (user === undefined) res.sendStatus(401);
    else res.json({ user });
  });
  app.post("/write", (req, res) => {
    const user = req.session.userId;
    if (user === undefined) {
      res.sendStatus(401);
      return;
    }
    req.session.writes = (req.session.writes ?? 0) + 1;
    res.json({ user, writes: req.session.writes });
  });
  app.post("/login/:user", async (req, res) => {
    await signIn(req, req.params.user);
    res.json({ user: req.params.user });
  });
  // Express would print each error; the benchmark counts their answers.
  app.use((error: { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    if (res.headersSent) res.destroy();
    else res.sendStatus(error.status ?? 500);
  });
  return app;
}

function silent(): void {}

async function kit(redisPort: number): Promise<RequestListener> {
  const logger = { info: silent, warn: silent, error: silent };
  const sessions = createKit({ redis: `redis://127.0.0.1:${redisPort}`, secret: SECRET, logger });
  await sessions.ready();
  const app = createApp().use(sessions.session());
  return addRoutes(app, (req, user) => sessions.login(req, user));
}

/** As express-session's documentation signs in: a new id, then the user. Other sessions of the user live on. */
async function regenerate(req: Request, user: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    req.session.regenerate((error?: Error) => (error ? reject(error) : resolve()));
  });
  req.session.userId = user;
}

/** As connect-redis's documentation wires it. */
function withConnectRedis(client: object): RequestListener {
  const sessions = expressSession({
    store: new RedisStore({ client }),
    name: COOKIE_NAME,
    cookie: COOKIE,
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
  });
  return addRoutes(createApp().use(sessions), regenerate);
}

async function onIoredis(redisPort: number): Promise<RequestListener> {
  return withConnectRedis(adaptIoredis(new Redis(redisPort, "127.0.0.1")));
}

async function onNodeRedis(redisPort: number): Promise<RequestListener> {
  const client = createClient({ url: `redis://127.0.0.1:${redisPort}` });
  client.on("error", silent);
  return withConnectRedis(await client.connect());
}

/** The same routes, answering as much, without a session. */
async function bare(): Promise<RequestListener> {
  const app = createApp();
  let writes = 0;
  app.get("/read", (_req, res) => void res.json({ user: "user-100" }));
  app.post("/write", (_req, res) => void res.json({ user: "user-100", writes: (writes += 1) }));
  app.post("/login/:user", (req, res) => void res.json({ user: req.params.user }));
  return app;
}

/** A server to measure. */
export interface Contender {
  readonly start: Start;
  /** What precedes a session's id in its key; none for one without sessions. */
  readonly prefix?: string;
}

export const BARE = "bare Express";
export const KIT = "express-redis-kit";

/** Every contender, in the order of the tables. */
export const CONTENDERS: Readonly<Record<string, Contender>> = {
  [BARE]: { start: bare },
  [KIT]: { start: kit, prefix: "session:" },
  "connect-redis on ioredis": { start: onIoredis, prefix: "sess:" },
  "connect-redis on node-redis": { start: onNodeRedis, prefix: "sess:" },
};
