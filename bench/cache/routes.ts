/** What the servers answer, with and without a cache in front. */
import type { Express, RequestHandler } from "express";
import { setTimeout as delay } from "node:timers/promises";

/** Every route is `/<name>/:id`. The first two are measured, the others show what a cache gets right. */
export const ROUTES = ["json", "large", "image", "cookie", "me", "slow"] as const;

export type Route = (typeof ROUTES)[number];

/** What is measured: bodies of 2 kB and of 100 kB. */
export const WORKLOADS = ["json", "large"] as const;

export type Workload = (typeof WORKLOADS)[number];

/** Of one length, so that all answers of a route are. */
export const IDS: readonly string[] = Array.from({ length: 20 }, (_, n) => `${100 + n}`);

/** How long `/slow/:id` takes to render. */
const RENDERING = 200;

const BRANDS = Array.from({ length: 20 }, (_, n) => ({
  id: 1000 + n,
  name: `Brand “${n}”`,
  country: "Österreich",
  url: `https://example.org/brands/${n}`,
}));

/** 2 kB as JSON. */
export function itemOf(id: string): object {
  return { id, brands: BRANDS };
}

const PARAGRAPH = "<p>The quick brown fox jumps over the “lazy” dog; später, größer.</p>\n";

/** 100 kB of HTML. */
export function pageOf(id: string): string {
  return `<h1>${id}</h1>\n${PARAGRAPH.repeat(1300)}`;
}

/** Every byte that there is, so that no text encoding leaves it whole. */
export const IMAGE: Buffer = Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7) % 256));

/** The bytes that a measured route answers. */
export function bodyOf(workload: Workload, id: string): Buffer {
  return Buffer.from(workload === "json" ? JSON.stringify(itemOf(id)) : pageOf(id));
}

/** Counts the calls of all handlers. */
export interface Calls {
  count: number;
}

/** Adds all routes, each behind its cache. */
export function addRoutes(
  app: Express,
  calls: Calls,
  cacheOf: (route: Route) => RequestHandler,
): Express {
  const handlers: Record<Route, RequestHandler<{ id: string }>> = {
    json: (req, res) => void res.json(itemOf(req.params.id)),
    large: (req, res) => void res.type("html").send(pageOf(req.params.id)),
    image: (_req, res) => void res.type("png").send(IMAGE),
    cookie: (_req, res) => void res.cookie("visit", `${calls.count}`).json({ ok: true }),
    me: (req, res) => void res.json({ user: req.headers.authorization }),
    slow: async (req, res) => {
      await delay(RENDERING);
      res.json(itemOf(req.params.id));
    },
  };
  for (const route of ROUTES) {
    app.get<{ id: string }>(`/${route}/:id`, cacheOf(route), (req, res, next) => {
      calls.count += 1;
      return handlers[route](req, res, next);
    });
  }
  return app;
}
