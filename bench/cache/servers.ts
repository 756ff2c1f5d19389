/** One app on each of the caches that are compared, and on none. */
import apicache from "apicache";
import { BentoCache, bentostore } from "bentocache";
import { memoryDriver } from "bentocache/drivers/memory";
import { redisBusDriver, redisDriver } from "bentocache/drivers/redis";
import express, { type RequestHandler, type Response } from "express";
import createRedisCache from "express-redis-cache";
import { Redis } from "ioredis";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import redis3 from "redis-3";
import routeCache from "route-cache";
import IoRedisStore from "route-cache/ioRedisStore.js";
import { type CacheOptions, createKit } from "../../src/index.ts";
import { bentoMiddleware } from "./bento-middleware.ts";
import { addRoutes, bodyOf, type Calls, IDS, type Route, WORKLOADS } from "./routes.ts";

/** What a server is told when it starts. */
export interface Setting {
  readonly redisPort: number;
  readonly calls: Calls;
  /** The header fields of the kit's hits by workload, for the bare servers to send as much. */
  readonly fields: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Starts one server's app. */
type Start = (setting: Setting) => RequestListener | Promise<RequestListener>;

const HOST = "127.0.0.1";
/** Longer than a run. */
const TTL_SECONDS = 3600;

function silent(): void {}

const SILENT = { info: silent, warn: silent, error: silent };

function appWith({ calls }: Setting, cacheOf: (route: Route) => RequestHandler): RequestListener {
  return addRoutes(express(), calls, cacheOf);
}

/** The tier in the process. */
const IN_MEMORY: object = { memory: { max: 1000, ttl: "1h" } };

/** Whether this version of the kit knows the option `memory`. */
export function knowsMemory(): boolean {
  try {
    createKit({ redis: false, logger: SILENT }).cache("probe", IN_MEMORY);
    return true;
  } catch {
    return false;
  }
}

async function kit(setting: Setting, options: CacheOptions): Promise<RequestListener> {
  const redis = `redis://${HOST}:${setting.redisPort}`;
  const responses = createKit({ redis, logger: SILENT });
  await responses.ready();
  return appWith(setting, (route) => responses.cache(`${route}:[id]`, { ttl: "1h", ...options }));
}

/** As its README says. Its check for a connection knows node-redis up to version 3 only. */
async function withApicache(setting: Setting, isInRedis: boolean): Promise<RequestListener> {
  const redisClient = isInRedis ? redis3.createClient(setting.redisPort, HOST) : undefined;
  if (redisClient) await once(redisClient, "ready");
  const cache = apicache.newInstance(redisClient && { redisClient });
  return appWith(setting, () => cache.middleware("1 hour"));
}

/** As its README says; in memory unless it is told of another store. */
function withRouteCache(setting: Setting, isInRedis: boolean): RequestListener {
  if (isInRedis) {
    // A database of its own: apicache's keys are bare URLs as well.
    const client = new Redis(setting.redisPort, HOST, { db: 1 });
    routeCache.config({ cacheStore: new IoRedisStore(client) });
  }
  return appWith(setting, () => routeCache.cacheSeconds(TTL_SECONDS));
}

/** As its README says, with the client that it brings along. */
async function withExpressRedisCache(setting: Setting): Promise<RequestListener> {
  const cache = createRedisCache({ host: HOST, port: setting.redisPort });
  cache.on("error", silent);
  await once(cache, "connected");
  return appWith(setting, (route) =>
    cache.route({ expire: TTL_SECONDS, ...(route === "image" && { binary: true }) }),
  );
}

/** As its documentation sets up one tier, and two with a bus between processes. */
function withBentocache(setting: Setting, isInMemoryToo: boolean): RequestListener {
  const connection = { host: HOST, port: setting.redisPort, db: isInMemoryToo ? 2 : 3 };
  const inRedis = bentostore().useL2Layer(redisDriver({ connection }));
  // With `serialize: false`, version 1.6.1 cannot read in memory what it found in Redis.
  const store = isInMemoryToo
    ? inRedis.useL1Layer(memoryDriver()).useBus(redisBusDriver({ connection }))
    : inRedis;
  const bento = new BentoCache({ default: "responses", stores: { responses: store } });
  return appWith(setting, () => bentoMiddleware(bento, "1h"));
}

/** The bodies ready in memory and the kit's header fields: what answering costs by itself. */
function bare(
  { fields }: Setting,
  send: (response: Response, body: Buffer) => void,
): RequestListener {
  const app = express();
  for (const workload of WORKLOADS) {
    const bodies = new Map(IDS.map((id) => [id, bodyOf(workload, id)]));
    app.get<{ id: string }>(`/${workload}/:id`, (req, res) => {
      res.set({ ...fields[workload] });
      send(res, bodies.get(req.params.id)!);
    });
  }
  return app;
}

/** A server to measure. */
export interface Contender {
  readonly start: Start;
  /** Where it keeps responses. */
  readonly store: "none" | "memory" | "Redis" | "memory and Redis";
}

export const KIT = "express-redis-kit";
export const KIT_IN_MEMORY = "express-redis-kit, memory";

/** Every contender, in the order of the tables. */
export const CONTENDERS: Readonly<Record<string, Contender>> = {
  "bare Express, res.end": {
    start: (setting) => bare(setting, (res, body) => void res.end(body)),
    store: "none",
  },
  "bare Express, res.send": {
    start: (setting) => bare(setting, (res, body) => void res.send(body)),
    store: "none",
  },
  [KIT]: { start: (setting) => kit(setting, {}), store: "Redis" },
  [KIT_IN_MEMORY]: {
    start: (setting) => kit(setting, IN_MEMORY),
    store: "memory and Redis",
  },
  apicache: { start: (setting) => withApicache(setting, true), store: "Redis" },
  "apicache, memory": { start: (setting) => withApicache(setting, false), store: "memory" },
  "route-cache": { start: (setting) => withRouteCache(setting, true), store: "Redis" },
  "route-cache, memory": { start: (setting) => withRouteCache(setting, false), store: "memory" },
  "express-redis-cache": { start: withExpressRedisCache, store: "Redis" },
  bentocache: { start: (setting) => withBentocache(setting, false), store: "Redis" },
  "bentocache, memory": {
    start: (setting) => withBentocache(setting, true),
    store: "memory and Redis",
  },
};

/** Whether a server is one without a cache. */
export function isBare(name: string): boolean {
  return CONTENDERS[name]!.store === "none";
}
