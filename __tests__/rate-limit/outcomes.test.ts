import { expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { startRedis, until } from "../support/redis-server.ts";

const ok = (_req: express.Request, res: express.Response) => void res.end("ok");

describeBackends("counting by outcome", (backend) => {
  const appFor = (options: RateLimitOptions) => {
    const kit = makeKit(backend.options());
    const app = express();
    app.use(kit.rateLimit({ limit: 2, ...options }));
    app.get("/:status", (req, res) => void res.sendStatus(Number(req.params.status)));
    return app;
  };
  /** Sends until one is refused, waiting each time for the one before to be settled. */
  const admitted = async (app: express.Express, path: string): Promise<number> => {
    for (let count = 0; count < 8; count++) {
      if ((await request(app).get(path)).status === 429) return count;
    }
    return Infinity;
  };

  it("skipFailedRequests counts successes only", async () => {
    const app = appFor({ skipFailedRequests: true });
    expect(await admitted(app, "/500")).toBe(Infinity);
    expect(await admitted(app, "/200")).toBe(2);
  });

  it("skipSuccessfulRequests counts failures only", async () => {
    const app = appFor({ skipSuccessfulRequests: true });
    expect(await admitted(app, "/200")).toBe(Infinity);
    expect(await admitted(app, "/401")).toBe(2);
  });

  it("requestWasSuccessful decides", async () => {
    const app = appFor({
      skipSuccessfulRequests: true,
      requestWasSuccessful: async (_req, res) => res.statusCode !== 204,
    });
    expect(await admitted(app, "/500")).toBe(Infinity);
    expect(await admitted(app, "/204")).toBe(2);
  });

  it("a handler that lets a refused request go on releases nobody's reservation", async () => {
    const kit = makeKit(backend.options());
    const app = express();
    app.use(
      kit.rateLimit({
        limit: 1,
        skipSuccessfulRequests: true,
        handler: (req, res, next) => {
          if (req.path === "/soft") return next();
          res.sendStatus(429);
        },
      }),
    );
    let release = (): void => {};
    app.get("/slow", (_req, res) => {
      release = () => res.sendStatus(200);
    });
    app.use((_req, res) => void res.sendStatus(200));
    const url = await serve(app);
    const slow = send(`${url}/slow`);
    let refused = await send(`${url}/probe`);
    await until(async () => {
      refused = await send(`${url}/probe`);
      return refused.status === 429;
    }, "the slow request is held");
    expect(refused.headers["retry-after"]).toBe("1");
    expect((await send(`${url}/soft`)).status).toBe(200);
    expect(await send(`${url}/probe`)).toMatchObject({
      status: 429,
      headers: { "retry-after": "1" },
    });
    release();
    expect((await slow).status).toBe(200);
    await until(async () => (await send(`${url}/probe`)).status === 200, "the slow one is settled");
  });
});

it("nothing is left of requests that are not counted", async () => {
  const server = await startRedis();
  try {
    const kit = makeKit({ redis: server.url });
    const app = express().use(kit.rateLimit({ skipSuccessfulRequests: true }), ok);
    for (let index = 0; index < 3; index++) await request(app).get("/").expect(200);
    await until(async () => (await server.client.dbsize()) === 0, "the key is gone");
  } finally {
    await server.stop();
  }
});
