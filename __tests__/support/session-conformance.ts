/** One suite of session behaviour over express-session itself, and over the kit with and without its defaults. */
import { afterAll, beforeAll, beforeEach, describe } from "@jest/globals";
import { RedisStore } from "connect-redis";
import express, { type NextFunction, type Request, type Response } from "express";
import type { Middleware, SessionOptions } from "express-redis-kit";
import expressSession, { type CookieOptions } from "express-session";
import { createClient } from "redis";
import { makeKit, serve } from "./kit.ts";
import { type RawOptions, type RawReply, send } from "./raw.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";

export { attributesOf, expiryOf } from "./set-cookie.ts";

/** `sameSite: 'auto'` is not in express-session's types. */
export type CookieGiven = Omit<CookieOptions, "sameSite"> & {
  sameSite?: CookieOptions["sameSite"] | "auto";
};

/** What a case demands of the middleware; whatever it leaves out is the maker's. */
export interface Options extends Omit<Partial<expressSession.SessionOptions>, "store" | "cookie"> {
  cookie?: CookieGiven | ((req: Request) => CookieGiven);
}

/** Answers a request; may fail. */
export type Route = (req: Request, res: Response, next: NextFunction) => unknown;

/** How an app is put together, where that matters. */
export interface Layout {
  before?: Middleware[];
  after?: Middleware[];
  trustProxy?: boolean;
  /** Where the session is mounted. Default: everywhere. */
  at?: string;
  isMountedTwice?: boolean;
}

/** A way to make a session middleware. */
export interface Maker {
  readonly name: string;
  readonly isKit: boolean;
  /** The kit with its own defaults: nothing empty is stored, nothing unchanged saved, SameSite=Lax. */
  readonly hasDefaults: boolean;
  readonly cookieName: string;
  make(options?: Options): Middleware;
  /** Serves routes by path, beside `/see` and `/set?name=value`. */
  start(options?: Options, routes?: Record<string, Route>, layout?: Layout): Promise<Visitor>;
  server(): RedisServer;
  /** The keys of all stored sessions. */
  keys(): Promise<string[]>;
  /** What one session's key holds, by its id. */
  stored(id: string): Promise<Record<string, unknown> | null>;
  /** How long the only session will live, in milliseconds. */
  ttl(): Promise<number>;
  /** How many SET commands the server has run, those in scripts too. */
  writes(): Promise<number>;
}

/** The secret that all of them sign with. */
export const SECRET = "a secret that all of these share";

/** The session of a request, as an app uses it. */
export function dataOf(req: object): Record<string, unknown> {
  return (req as { session: unknown }).session as Record<string, unknown>;
}

/** What `work` hands to its callback. */
export function outcome<T = unknown>(
  work: (callback: (error?: unknown, value?: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    work((error, value) => (error ? reject(error) : resolve(value as T)));
  });
}

/** Routes that answer what `work` resolves to. */
export function answering(
  routes: Record<string, (req: Request) => unknown>,
): Record<string, Route> {
  return Object.fromEntries(
    Object.entries(routes).map(([path, work]) => [
      path,
      async (req, res) => void res.json((await work(req)) ?? null),
    ]),
  ) as Record<string, Route>;
}

/** What an error says, or what went well. */
export async function said(work: Promise<unknown>): Promise<unknown> {
  try {
    return (await work) ?? "ok";
  } catch (error) {
    return (error as Error).message;
  }
}

/** What came back, and the session cookie in it. */
export interface Reply extends RawReply {
  readonly text: string;
  /** All Set-Cookie lines. */
  readonly lines: string[];
  /** The session's. */
  readonly line: string | undefined;
  /** The session id in that. */
  readonly id: string | undefined;
}

/** What `/see` tells. */
export interface Seen {
  readonly id: string;
  readonly data: Record<string, unknown>;
}

/** A browser: keeps the session cookie that it is given, and no other. */
export class Visitor {
  /** As it goes into the Cookie header. */
  cookie = "";
  readonly url: string;
  readonly name: string;

  constructor(url: string, name: string, cookie = "") {
    this.url = url;
    this.name = name;
    this.cookie = cookie;
  }

  /** Another browser on the same app, by default without a cookie. */
  other(cookie = ""): Visitor {
    return new Visitor(this.url, this.name, cookie);
  }

  headers(given: RawOptions["headers"] = {}): Record<string, string | string[]> {
    return { ...(this.cookie && { Cookie: this.cookie }), ...given };
  }

  async get(path: string, options: RawOptions = {}): Promise<Reply> {
    const raw = await send(this.url + path, { ...options, headers: this.headers(options.headers) });
    return this.take(raw);
  }

  /** Keeps the cookie of a reply. */
  take(raw: RawReply): Reply {
    const lines = raw.headers["set-cookie"] ?? [];
    const line = lines.find((one) => one.startsWith(`${this.name}=`));
    const [pair] = line?.split(";", 1) ?? [];
    if (pair !== undefined) this.cookie = line!.includes("Expires=Thu, 01 Jan 1970") ? "" : pair;
    return { ...raw, text: raw.body.toString("utf8"), lines, line, id: idOf(pair) };
  }

  async json(path: string): Promise<unknown> {
    return JSON.parse((await this.get(path)).text);
  }

  /** What the session holds for a request that only looks. */
  async see(): Promise<Seen> {
    return (await this.json("/see")) as Seen;
  }
}

/** The id in a signed `name=value`. */
export function idOf(pair: string | undefined): string | undefined {
  const value = decodeURIComponent(pair?.slice(pair.indexOf("=") + 1) ?? "");
  return value.startsWith("s:") ? value.slice(2, value.lastIndexOf(".")) : undefined;
}

const see: Route = (req, res) => {
  const { cookie: _cookie, ...data } = req.session;
  res.json({ id: req.sessionID, data });
};

const set: Route = (req, res) => {
  Object.assign(req.session, req.query);
  res.json({ id: req.sessionID });
};

function answerError(error: unknown, _req: Request, res: Response, _next: NextFunction): void {
  if (res.headersSent) res.destroy();
  else res.status(500).send(String(error));
}

/** An Express app around a session middleware. */
function appOf(
  session: Middleware,
  routes: Record<string, Route>,
  { before = [], after = [], trustProxy = false, at = "/", isMountedTwice = false }: Layout,
): express.Express {
  const app = express();
  app.set("env", "test");
  app.set("trust proxy", trustProxy);
  for (const middleware of before) app.use(middleware);
  app.use(at, session);
  if (isMountedTwice) app.use(at, session);
  for (const middleware of after) app.use(middleware);
  for (const [path, route] of Object.entries({ "/see": see, "/set": set, ...routes })) {
    app.all(path, route);
  }
  app.use(answerError);
  return app;
}

type Client = ReturnType<typeof clientOf>;

function clientOf(server: RedisServer) {
  return createClient({ socket: { path: server.socketPath, tls: false } });
}

/** express-session's own defaults, named so that it does not warn, and the kit's are off. */
const PLAIN = { secret: SECRET, resave: true, saveUninitialized: true };

const PLAIN_COOKIE = { path: "/", httpOnly: true, sameSite: undefined, secure: false };

function plainCookie(given: Options["cookie"]): SessionOptions["cookie"] {
  if (typeof given !== "function") return { ...PLAIN_COOKIE, ...given } as CookieOptions;
  const cookie = (req: Request) => ({ ...PLAIN_COOKIE, ...given(req) });
  return cookie as unknown as CookieOptions;
}

type Make = (server: RedisServer, client: Client, options: Options) => Middleware;

const MAKERS: readonly (Pick<Maker, "name" | "isKit" | "hasDefaults"> & { make: Make })[] = [
  {
    name: "express-session",
    isKit: false,
    hasDefaults: false,
    make: (_server, client, options) =>
      expressSession({
        ...PLAIN,
        ...(options as expressSession.SessionOptions),
        store: new RedisStore({ client }),
      }) as unknown as Middleware,
  },
  {
    name: "the kit, its defaults off",
    isKit: true,
    hasDefaults: false,
    make: (server, _client, { cookie, ...options }) =>
      makeKit({ redis: server.url, deadline: "20s" }).session({
        ...PLAIN,
        name: "connect.sid",
        cookie: plainCookie(cookie) as CookieOptions,
        ...options,
      }),
  },
  {
    name: "the kit, its defaults on",
    isKit: true,
    hasDefaults: true,
    make: (server, _client, options) =>
      makeKit({ redis: server.url, deadline: "20s" }).session({
        secret: SECRET,
        ...(options as SessionOptions),
      }),
  },
];

function makerOf(
  { make, ...traits }: (typeof MAKERS)[number],
  server: () => RedisServer,
  client: () => Client,
): Maker {
  const keys = async () =>
    (await server().client.keys("*")).filter((key) => key.startsWith("sess"));
  const cookieName = traits.hasDefaults ? "sid" : "connect.sid";
  const maker: Maker = {
    ...traits,
    cookieName,
    server,
    keys,
    make: (options = {}) => make(server(), client(), options),
    start: async (options = {}, routes = {}, layout = {}) =>
      new Visitor(
        await serve(appOf(maker.make(options), routes, layout)),
        options.name ?? cookieName,
      ),
    stored: async (id) => {
      const key = (await keys()).find((one) => one.endsWith(`:${id}`));
      const text = key === undefined ? null : await server().client.get(key);
      return text === null ? null : (JSON.parse(text) as Record<string, unknown>);
    },
    ttl: async () => server().client.pttl((await keys())[0] ?? ""),
    writes: async () => {
      const stats = await server().client.info("commandstats");
      return Number(/cmdstat_set:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    },
  };
  return maker;
}

/** Declares a suite once for each maker, over a private redis-server that is emptied before each test. */
export function describeMakers(title: string, declare: (maker: Maker) => void): void {
  describe.each(MAKERS)(`${title}: $name`, (entry) => {
    let server: RedisServer;
    let client: Client;
    beforeAll(async () => {
      server = await startRedis();
      client = clientOf(server);
      client.on("error", () => {});
      await client.connect();
    });
    beforeEach(async () => {
      await server.client.flushall();
    });
    afterAll(async () => {
      client.destroy();
      await server.stop();
    });
    declare(
      makerOf(
        entry,
        () => server,
        () => client,
      ),
    );
  });
}
