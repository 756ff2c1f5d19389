/** The stack as it is wired by hand: five packages and a lookup on one client. */
import { Redis as UpstashRedis } from "@upstash/redis";
import { RedisStore } from "connect-redis";
import type { Express, Request, RequestHandler } from "express";
import { rateLimit } from "express-rate-limit";
import expressSession from "express-session";
import { Redis } from "ioredis";
import { RedisStore as LimitStore } from "rate-limit-redis";
import { adaptIoredis } from "../support/connect-redis-client.ts";
import { appOf, type Calls } from "./apps.ts";
import { COOKIE, COOKIE_NAME, LIMIT, SECRET, TTL_SECONDS, WINDOW } from "./settings.ts";
import { settingsOf } from "./workloads.ts";

/** What the packages ask of a client. */
interface Client {
  /** One command, for rate-limit-redis. */
  readonly send: (command: string, args: string[]) => Promise<unknown>;
  /** For connect-redis. */
  readonly sessions: object;
  readonly get: (key: string) => Promise<Buffer | string | null>;
  readonly set: (key: string, body: string) => Promise<unknown>;
}

/** As express-session's documentation signs in: a new id, then the user. */
async function regenerate(req: Request, user: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    req.session.regenerate((error?: Error) => (error ? reject(error) : resolve()));
  });
  req.session.userId = user;
}

/** Looks a response up by its URL; makes and stores it where there is none. */
function lookup({ get, set }: Client, calls: Calls): RequestHandler<{ id: string }> {
  return async (req, res) => {
    const key = `page:${req.originalUrl}`;
    const stored = await get(key);
    if (stored !== null) {
      res.type("json").send(stored);
      return;
    }
    calls.count += 1;
    const body = JSON.stringify(settingsOf(req.params.id));
    await set(key, body);
    res.type("json").send(body);
  };
}

function wire(client: Client, calls: Calls): Express {
  const store = new LimitStore({
    sendCommand: (command: string, ...args: string[]) => client.send(command, args) as never,
  });
  return appOf({
    limiter: rateLimit({ windowMs: WINDOW, limit: LIMIT, store, standardHeaders: "draft-8" }),
    session: expressSession({
      store: new RedisStore({ client: client.sessions }),
      name: COOKIE_NAME,
      cookie: COOKIE,
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
    }),
    signIn: regenerate,
    page: () => [lookup(client, calls)],
  });
}

/** What two rows differ in. */
interface IoredisOptions {
  readonly db: number;
  readonly enableAutoPipelining?: boolean;
}

/** On one ioredis client. */
export function onIoredis(port: number, options: IoredisOptions, calls: Calls): Express {
  const redis = new Redis(port, "127.0.0.1", { ...options });
  const client: Client = {
    send: (command, args) => redis.call(command, ...args),
    sessions: adaptIoredis(redis),
    get: (key) => redis.getBuffer(key),
    set: (key, body) => redis.set(key, body, "EX", TTL_SECONDS),
  };
  return wire(client, calls);
}

/** On one client of Upstash's, which answers text as text when it is told to. */
export function onUpstash(url: string, token: string, calls: Calls): Express {
  const redis = new UpstashRedis({ url, token, automaticDeserialization: false });
  const client: Client = {
    send: (command, args) => redis.exec([command, ...args]),
    sessions: {
      get: (key: string) => redis.get<string>(key),
      set: (key: string, text: string, options?: { expiration: { value: number } }) =>
        options ? redis.set(key, text, { ex: options.expiration.value }) : redis.set(key, text),
      expire: (key: string, seconds: number) => redis.expire(key, seconds),
      del: (keys: string[]) => redis.del(...keys),
    },
    get: (key) => redis.get<string>(key),
    set: (key, body) => redis.set(key, body, { ex: TTL_SECONDS }),
  };
  return wire(client, calls);
}
