/** Ways in which asking ahead could do harm: each of these did. */
import { once } from "node:events";
import { createServer, type IncomingMessage, request as ask, type ServerResponse } from "node:http";
import { describe, expect, it } from "@jest/globals";
import express from "express";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { addLogin, signInAt } from "../support/signing.ts";
import { startRedis, until } from "../support/redis-server.ts";

/** Lets a request wait where it stands. */
function gate() {
  const waiting: (() => void)[] = [];
  return {
    wait: () => new Promise<void>((resolve) => void waiting.push(resolve)),
    isReached: () => waiting.length > 0,
    open: () => waiting.splice(0).forEach((goOn) => goOn()),
  };
}

describe("a limiter that was asked ahead of no use", () => {
  it("takes no room on paths that nobody has seen", async () => {
    const kit = makeKit();
    const slow = gate();
    const app = express();
    app.use(kit.rateLimit());
    app.get("/export/:id", kit.rateLimit("export", { limit: 4 }), (_req, res) => void res.end());
    app.get("/page/:id", async (_req, res) => {
      await slow.wait();
      res.end();
    });
    const url = await serve(app);
    for (const id of [1, 2, 3]) expect((await send(`${url}/export/${id}`)).status).toBe(200);
    const page = send(`${url}/page/1`);
    await until(slow.isReached, "the page is under way");
    expect((await send(`${url}/export/4`)).status).toBe(200);
    slow.open();
    await page;
  });

  it("takes the last room from no other of its type on the same path", async () => {
    const kit = makeKit();
    const [one, other] = [
      kit.rateLimit("write", { limit: 6 }),
      kit.rateLimit("write", { limit: 6 }),
    ];
    const app = express();
    app.use(kit.rateLimit());
    app.use((req, res, next) => (req.headers["x-other"] ? other : one)(req, res, next));
    app.use((_req, res) => void res.end());
    const url = await serve(app);
    const statuses: number[] = [];
    for (let n = 0; n < 7; n += 1) {
      const headers: Record<string, string> = n % 2 === 1 ? { "X-Other": "yes" } : {};
      statuses.push((await send(url, { headers })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 429]);
  });

  it("does not bring a refusal back that was reset meanwhile", async () => {
    const kit = makeKit();
    const app = express();
    app.use(kit.rateLimit());
    app.get(
      "/work",
      async (req, _res, next) => {
        if (req.headers["x-solved"]) await kit.rateLimit.reset("tight", req.ip!);
        next(req.headers["x-solved"] ? "route" : undefined);
      },
      kit.rateLimit("tight", { limit: 2 }),
    );
    app.use((_req, res) => void res.end());
    const url = await serve(app);
    const statuses: number[] = [];
    for (const headers of [{}, {}, { "X-Solved": "yes" }, {}, {}, {}]) {
      statuses.push((await send(`${url}/work`, { headers })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  });

  it("refuses nobody by what is over when the request comes", async () => {
    const kit = makeKit();
    let isSlow = false;
    const slow = gate();
    const app = express();
    app.use(kit.rateLimit());
    app.use(async (_req, _res, next) => {
      if (isSlow) await slow.wait();
      next();
    });
    const bucket = { algorithm: "token-bucket", limit: 600, burst: 1, window: "1m" } as const;
    app.get("/t", kit.rateLimit("bucket", bucket), (_req, res) => void res.end());
    const url = await serve(app);
    const refill = async () => {
      const { remaining } = await kit.rateLimit.peek("bucket", "127.0.0.1");
      return remaining > 0;
    };
    for (let n = 0; n < 3; n += 1) {
      await until(refill, "a token has come");
      expect((await send(`${url}/t`)).status).toBe(200);
    }
    isSlow = true;
    const late = send(`${url}/t`); // Asked ahead while the bucket is empty.
    await until(slow.isReached, "the request waits before the limiter");
    const asked = performance.now();
    await until(() => performance.now() - asked > 200, "the refusal is over, in memory, too");
    slow.open();
    expect((await late).status).toBe(200);
  });
});

it("middlewares that are made for each request count once each", async () => {
  const kit = makeKit();
  const app = express();
  app.use(kit.rateLimit("all", { limit: 1000 }));
  app.get(
    "/x",
    (req, res, next) =>
      kit.rateLimit("own", { limit: 10, validate: false })(req, res, next as () => void),
    (_req, res) => void res.end(),
  );
  const url = await serve(app);
  const statuses: number[] = [];
  for (let n = 0; n < 11; n += 1) statuses.push((await send(`${url}/x`)).status);
  expect(statuses).toEqual([...Array.from({ length: 10 }, () => 200), 429]);
});

it("session() reads an upgrade's session, whose response is none", async () => {
  const kit = makeKit();
  const session = kit.session();
  const app = express();
  app.use(session, kit.rateLimit());
  addLogin(app, kit);
  app.use((_req, res) => void res.end());
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const url = `http://127.0.0.1:${port}`;
  const { cookie } = await signInAt(url);
  for (let n = 0; n < 3; n += 1) await send(`${url}/ws`, { headers: { cookie } });
  const users: unknown[] = [];
  server.on("upgrade", (request: IncomingMessage & { session?: { userId?: unknown } }, socket) => {
    session(request, {} as ServerResponse, () => {
      users.push(request.session?.userId);
      socket.destroy();
    });
  });
  for (const path of ["ws", "that-nobody-has-seen"]) {
    const upgrade = ask(`${url}/${path}`, {
      headers: { cookie, connection: "Upgrade", upgrade: "websocket" },
    });
    upgrade.on("error", () => {}); // The socket is destroyed.
    upgrade.end();
  }
  await until(() => users.length === 2, "the upgrades have been read");
  expect(users).toEqual(["ada", "ada"]);
  server.close();
  server.closeAllConnections();
});

it("a session is prolonged by requests that never come to the limiter which refuses others", async () => {
  const redis = await startRedis();
  try {
    const kit = makeKit({ redis: redis.url });
    const app = express();
    app.use(kit.session());
    addLogin(app, kit);
    const limiter = kit.rateLimit("export", { limit: 3, window: "1d" });
    app.use((req, res, next) => {
      if (req.headers["x-export"]) limiter(req, res, next);
      else next();
    });
    app.use((req, res) => void res.end(String(req.session.userId)));
    const url = await serve(app);
    const first = await signInAt(url);
    const statuses: number[] = [];
    for (let n = 0; n < 4; n += 1) {
      const headers = { cookie: first.cookie, "X-Export": "yes" };
      statuses.push((await send(url, { headers })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 429]);
    const { id, cookie } = await signInAt(url);
    await redis.client.pexpire(`session:${id}`, 60_000);
    await send(url, { headers: { cookie, "X-Export": "yes" } });
    expect(await redis.client.pttl(`session:${id}`)).toBeLessThanOrEqual(60_000);
    expect((await send(url, { headers: { cookie } })).body.toString()).toBe("ada");
    const left = () => redis.client.pttl(`session:${id}`);
    await until(async () => (await left()) > 60_000, "the expiry has been moved");
  } finally {
    await redis.stop();
  }
});
