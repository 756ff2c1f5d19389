/** What is used here of peers that bring no types along. */

declare module "apicache" {
  import type { RequestHandler } from "express";
  interface ApiCache {
    newInstance(options?: { redisClient?: object }): ApiCache;
    middleware(duration: string): RequestHandler;
  }
  const apicache: ApiCache;
  export = apicache;
}

declare module "route-cache" {
  import type { RequestHandler } from "express";
  const routeCache: {
    config(options: { cacheStore: object }): void;
    cacheSeconds(seconds: number): RequestHandler;
  };
  export = routeCache;
}

declare module "route-cache/ioRedisStore.js" {
  import type { Redis } from "ioredis";
  const IoRedisStore: new (client: Redis) => object;
  export = IoRedisStore;
}

declare module "express-redis-cache" {
  import type { RequestHandler } from "express";
  import type { EventEmitter } from "node:events";
  interface ExpressRedisCache extends EventEmitter {
    route(options: { expire: number; binary?: boolean }): RequestHandler;
  }
  const create: (options: { host: string; port: number }) => ExpressRedisCache;
  export = create;
}

declare module "redis-3" {
  import type { EventEmitter } from "node:events";
  const redis: { createClient(port: number, host: string): EventEmitter };
  export = redis;
}
