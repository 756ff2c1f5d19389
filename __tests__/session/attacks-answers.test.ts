/** Answers that go wrong while, or because, a session is to be stored: they end, and nothing crashes. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import compression from "compression";
import express, { type Request, type Response } from "express";
import onHeaders from "on-headers";
import type { Kit } from "express-redis-kit";
import request from "supertest";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { answerError, cookieOf, dataOf, wrap } from "../support/session-app.ts";

let server: RedisServer;
const crashes: unknown[] = [];
const note = (error: unknown): void => void crashes.push(error);
beforeAll(async () => {
  server = await startRedis();
  process.on("unhandledRejection", note);
});
beforeEach(async () => {
  await server.client.flushall();
  crashes.length = 0;
});
afterEach(async () => {
  await new Promise((later) => setImmediate(later));
  if (crashes.length > 0)
    throw new AggregateError(crashes, "Promises were rejected, and nobody heard of it.");
});
afterAll(async () => {
  process.off("unhandledRejection", note);
  await server.stop();
});

/** An app whose `/run` is given by the test, and a browser that has a stored session. */
async function start(
  run: (req: Request, res: Response) => unknown,
  before?: (app: ReturnType<typeof express>, kit: Kit) => void,
): Promise<{ url: string; cookie: string; ask: () => Promise<RawReply> }> {
  const kit = makeKit({ redis: server.url, deadline: 200 });
  const app = express();
  app.set("env", "test");
  before?.(app, kit);
  app.use(kit.session(), express.json());
  app.get("/set", (req, res) => {
    dataOf(req)["n"] = 1;
    res.end();
  });
  app.post(
    "/login",
    wrap(async (req, res) => {
      await kit.login(req, (req.body as { user: string }).user);
      res.end();
    }),
  );
  app.get("/see", (req, res) => void res.json(req.session));
  app.get(
    "/run",
    wrap(async (req, res) => run(req, res)),
  );
  app.use(answerError);
  const url = await serve(app);
  const cookie = cookieOf(await request(url).get("/set"));
  return { url, cookie, ask: () => send(url, { path: "/run", headers: { Cookie: cookie } }) };
}

describe("an answer that Node refuses once it is let go", () => {
  it.each<[string, (res: Response) => unknown]>([
    ["a status message of two lines", (res) => ((res.statusMessage = "a\nb"), res.end("x"))],
    ["a field that is no header's", (res) => res.writeHead(302, { Location: "/caf\u4e2d" }).end()],
    ["a status that is none", (res) => ((res.statusCode = 9999), res.end())],
  ])("is a 500: %s", async (_title, answer) => {
    const { ask } = await start((req, res) => {
      dataOf(req)["n"] = 2;
      answer(res);
    });
    const reply = await ask();
    expect([reply.status, reply.headers["set-cookie"]]).toEqual([500, undefined]);
  });
});

describe("a session that cannot be stored", () => {
  const circle: Record<string, unknown> = {};
  circle["itself"] = circle;
  const ruin: [string, (req: Request) => unknown][] = [
    ["a circle", (req) => (dataOf(req)["x"] = circle)],
    ["a BigInt", (req) => (dataOf(req)["x"] = 1n)],
    ["an object in its place", (req) => (req.session = { n: 1 } as never)],
    ["a text in its place", (req) => (req.session = "x" as never)],
    ["no cookie", (req) => delete (req.session as { cookie?: unknown }).cookie],
    ["no touch()", (req) => (dataOf(req)["touch"] = "x")],
    [
      "another prototype",
      (req) => Object.assign(req.session, JSON.parse('{"__proto__":{"a":1},"b":1}')),
    ],
  ];
  const answers: [string, (res: Response) => unknown][] = [
    ["json", (res) => res.json("x")],
    ["writeHead, end", (res) => res.writeHead(200).end("x")],
    ["pieces", (res) => (res.write("x"), res.end("y"))],
    ["a late end", (res) => setImmediate(() => res.end("x"))],
  ];
  const cases = ruin.flatMap(([what, change]) =>
    answers.map(([how, answer]) => [what, how, change, answer] as const),
  );
  it.each(cases)("for %s is a 500, by %s", async (_what, _how, change, answer) => {
    for (const isCompressed of [false, true]) {
      const { ask } = await start(
        (req, res) => {
          change(req);
          answer(res);
        },
        (app) => isCompressed && app.use(compression({ threshold: 0 })),
      );
      const reply = await ask();
      expect([reply.status, reply.headers["set-cookie"]]).toEqual([500, undefined]);
    }
  });

  it("`false` in its place is none", async () => {
    const { ask } = await start((req, res) => {
      req.session = false as never;
      res.json("x");
    });
    expect(textOf(await ask())).toBe('"x"');
  });
});

describe("someone else's listener that throws", () => {
  it("when the header of a refused save leaves: the client is not left waiting", async () => {
    const { url, cookie } = await start(
      (req, res) => {
        dataOf(req)["x"] = 1n;
        res.json("x");
      },
      (app) =>
        app.use((_req, res, next) => {
          onHeaders(res, () => {
            if (res.statusCode === 500) throw new Error("theirs");
          });
          next();
        }),
    );
    const asked = send(url, { path: "/run", headers: { Cookie: cookie } });
    await expect(asked).rejects.toThrow(/socket|reset|hang/i);
  });

  it("of drain: the client is not left waiting", async () => {
    const { ask } = await start((req, res) => {
      dataOf(req)["n"] = 2;
      res.write("x");
      res.on("drain", () => {
        throw new Error("theirs");
      });
    });
    await expect(ask()).rejects.toThrow(/socket|reset|hang|aborted/i);
  });
});

describe("while Redis is away", () => {
  const runs: [string, (req: Request, res: Response) => unknown][] = [
    ["destroy(), not waited for", (req, res) => (req.session.destroy(() => {}), res.end())],
    [
      "destroy() without a callback",
      (req, res) => (req.session.destroy(undefined as never), res.end()),
    ],
    [
      "regenerate() without a callback",
      (req, res) => (req.session.regenerate(undefined as never), res.end()),
    ],
    [
      "destroy(callback)",
      (req, res) => req.session.destroy((error) => res.sendStatus(error ? 503 : 200)),
    ],
    [
      "regenerate(callback)",
      (req, res) => req.session.regenerate((error) => res.sendStatus(error ? 503 : 200)),
    ],
  ];
  it.each(runs)("%s leaves the session and its cookie, and nothing crashes", async (_what, run) => {
    const { url, cookie, ask } = await start((req, res) => {
      server.kill("SIGSTOP");
      run(req, res);
    });
    let reply: RawReply;
    try {
      reply = await ask();
    } finally {
      server.kill("SIGCONT");
    }
    expect(reply.headers["set-cookie"]).toBeUndefined();
    const see = async () => (await request(url).get("/see").set("Cookie", cookie)).status === 200;
    await until(see, "Redis answers again");
  });

  it("nobody is told that a session was destroyed which was not", async () => {
    const { ask } = await start((req, res) => {
      server.kill("SIGSTOP");
      req.session.destroy(undefined as never);
      res.json("signed out");
    });
    try {
      expect((await ask()).status).toBe(503);
    } finally {
      server.kill("SIGCONT");
    }
  });
});
