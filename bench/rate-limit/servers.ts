/** One route behind each of the limiters that are compared, and behind none. */
import fastifyRateLimit from "@fastify/rate-limit";
import express, { type Express, type RequestHandler, type Response } from "express";
import { rateLimit } from "express-rate-limit";
import fastify from "fastify";
import { Redis } from "ioredis";
import type { RequestListener } from "node:http";
import { RedisStore } from "rate-limit-redis";
import { RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import { createKit } from "../../src/index.ts";

/** Long enough for a whole run. */
const WINDOW = 3_600_000;

/** What a handler answers where nothing limits, and the size of a refusal. */
const BODY = "ok";

/** What the bare servers answer instead of a refusal. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Starts one server's app. */
export type Start = (redisPort: number, limit: number, bare: Answer) => Promise<RequestListener>;

function appWith(limiter: RequestHandler): Express {
  const app = express();
  app.get("/", limiter, (_req, res) => void res.send(BODY));
  return app;
}

function silent(): void {}

async function kit(redisPort: number, limit: number): Promise<RequestListener> {
  const logger = { info: silent, warn: silent, error: silent };
  const limits = createKit({ redis: `redis://127.0.0.1:${redisPort}`, logger });
  await limits.ready();
  return appWith(limits.rateLimit({ limit, window: WINDOW }));
}

/** As rate-limit-redis's documentation wires it. */
async function byHand(redisPort: number, limit: number): Promise<RequestListener> {
  const client = new Redis(redisPort, "127.0.0.1");
  const store = new RedisStore({
    sendCommand: (command: string, ...args: string[]) => client.call(command, ...args) as never,
  });
  return appWith(rateLimit({ windowMs: WINDOW, limit, store, standardHeaders: "draft-8" }));
}

/** The lines that its documentation shows for Express, with the header fields that the others send. */
async function flexible(redisPort: number, limit: number): Promise<RequestListener> {
  const storeClient = new Redis(redisPort, "127.0.0.1");
  const limiter = new RateLimiterRedis({ storeClient, points: limit, duration: WINDOW / 1000 });
  const describe = (res: Response, { remainingPoints, msBeforeNext }: RateLimiterRes): number => {
    const seconds = Math.ceil(msBeforeNext / 1000);
    res.set("RateLimit-Policy", `"api";q=${limit};w=${WINDOW / 1000}`);
    res.set("RateLimit", `"api";r=${remainingPoints};t=${seconds}`);
    return seconds;
  };
  return appWith(async (req, res, next) => {
    try {
      describe(res, await limiter.consume(req.ip!));
      next();
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) return next(refusal);
      res.set("Retry-After", String(describe(res, refusal)));
      res.status(429).send("Too many requests, please try again later.");
    }
  });
}

async function onFastify(redisPort: number, limit: number): Promise<RequestListener> {
  const app = fastify();
  const redis = new Redis(redisPort, "127.0.0.1");
  await app.register(fastifyRateLimit, { max: limit, timeWindow: WINDOW, redis });
  app.get("/", async () => BODY);
  await app.ready();
  return (request, response) => app.routing(request, response);
}

async function bareExpress(_port: number, _limit: number, bare: Answer): Promise<RequestListener> {
  const app = express();
  app.get("/", (_req, res) => void res.status(bare.status).send(bare.body));
  return app;
}

async function bareFastify(_port: number, _limit: number, bare: Answer): Promise<RequestListener> {
  const app = fastify();
  app.get("/", async (_request, reply) => reply.code(bare.status).send(bare.body));
  await app.ready();
  return (request, response) => app.routing(request, response);
}

/** Every contender, and the bare server that it is measured against. */
export const CONTENDERS: Readonly<Record<string, { start: Start; bare: string }>> = {
  "express-redis-kit": { start: kit, bare: "bare Express" },
  "express-rate-limit + rate-limit-redis": { start: byHand, bare: "bare Express" },
  "rate-limiter-flexible": { start: flexible, bare: "bare Express" },
  "@fastify/rate-limit": { start: onFastify, bare: "bare Fastify" },
};

/** The servers without a limiter. */
export const BARE: Readonly<Record<string, Start>> = {
  "bare Express": bareExpress,
  "bare Fastify": bareFastify,
};
