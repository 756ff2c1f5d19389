/** The stacks that are compared, and Express without any. */
import type { RequestListener } from "node:http";
import { createKit, type KitOptions } from "../../src/index.ts";
import { appOf, bareAppOf, type Calls, showSettings } from "./apps.ts";
import { onIoredis, onUpstash } from "./by-hand.ts";
import { LIMIT, SECRET, TOKEN, WINDOW } from "./settings.ts";
import { IDS, settingsOf } from "./workloads.ts";

/** What a server is told when it starts. */
export interface Setting {
  /** Where Redis listens, or its REST API. */
  readonly port: number;
  /** The database of Redis that is this contender's own. */
  readonly db: number;
  readonly calls: Calls;
  /** The header fields of the kit's hits, for a bare server to send as much. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Starts one server's app. */
type Start = (setting: Setting) => RequestListener | Promise<RequestListener>;

function silent(): void {}

const logger = { info: silent, warn: silent, error: silent };

async function kit({ calls }: Setting, options: KitOptions): Promise<RequestListener> {
  const own = createKit({ secret: SECRET, logger, ...options });
  await own.ready();
  return appOf({
    limiter: own.rateLimit({ limit: LIMIT, window: WINDOW }),
    session: own.session(),
    signIn: (req, user) => own.login(req, user),
    page: (template) => [own.cache(template, { scope: "public", ttl: "1h" }), showSettings(calls)],
  });
}

function urlOf({ port, db }: Setting): string {
  return `redis://127.0.0.1:${port}/${db}`;
}

function apiOf({ port }: Setting): string {
  return `http://127.0.0.1:${port}`;
}

/** The kit's header fields and bytes, ready in memory. */
function bareEnd({ fields }: Setting): RequestListener {
  const bodies = new Map(IDS.map((id) => [id, Buffer.from(JSON.stringify(settingsOf(id)))]));
  return bareAppOf((res, id) => void res.set(fields).end(bodies.get(id)));
}

/** What a handler writes where there is no stack: Express makes the text and its ETag. */
function bareJson(): RequestListener {
  const settings = new Map(IDS.map((id) => [id, settingsOf(id)]));
  return bareAppOf((res, id) => void res.json(settings.get(id)));
}

/** A server to measure. */
export interface Contender {
  readonly start: Start;
  /** The way to Redis; none for a bare server. */
  readonly backend: "none" | "tcp" | "rest";
  /** What precedes a session's id in its key. */
  readonly prefix?: "session:" | "sess:";
}

export const KIT = "express-redis-kit";
export const KIT_IN_MEMORY = "express-redis-kit, memory";
export const KIT_OVER_REST = "express-redis-kit on REST";

const byHand = { backend: "tcp", prefix: "sess:" } as const;

/** Every contender, in the order of the tables. */
export const CONTENDERS: Readonly<Record<string, Contender>> = {
  "bare Express, res.end": { start: bareEnd, backend: "none" },
  "bare Express, res.json": { start: bareJson, backend: "none" },
  [KIT]: {
    start: (setting) => kit(setting, { redis: urlOf(setting) }),
    backend: "tcp",
    prefix: "session:",
  },
  [KIT_IN_MEMORY]: {
    start: (setting) =>
      kit(setting, { redis: urlOf(setting), cache: { memory: { max: 1000, ttl: "1h" } } }),
    backend: "tcp",
    prefix: "session:",
  },
  "by hand on ioredis": {
    start: ({ port, db, calls }) => onIoredis(port, { db }, calls),
    ...byHand,
  },
  "by hand, auto-pipelining": {
    start: ({ port, db, calls }) => onIoredis(port, { db, enableAutoPipelining: true }, calls),
    ...byHand,
  },
  [KIT_OVER_REST]: {
    start: (setting) => kit(setting, { redis: { url: apiOf(setting), token: TOKEN } }),
    backend: "rest",
    prefix: "session:",
  },
  "by hand on @upstash/redis": {
    start: (setting) => onUpstash(apiOf(setting), TOKEN, setting.calls),
    backend: "rest",
    prefix: "sess:",
  },
};

/** Whether a server is one without a stack. */
export function isBare(name: string): boolean {
  return CONTENDERS[name]!.backend === "none";
}

/** Whether a server is the kit. */
export function isKit(name: string): boolean {
  return name.startsWith(KIT);
}
