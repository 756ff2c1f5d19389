/** Wrappers below `session()` that are in its way: ends that throw or come late, listeners that are taken elsewhere. */
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import compression from "compression";
import express, { type Request, type RequestHandler, type Response } from "express";
import onHeaders from "on-headers";
import type { Kit } from "express-redis-kit";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { cookieLine, dataOf, wrap } from "../support/session-app.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());
afterAll(() => server.stop());

type App = ReturnType<typeof express>;

/** An app with `/run`; `before` and `after` are mounted around `session()`. */
async function start(
  run: (req: Request, res: Response) => unknown,
  { before, after }: Partial<Record<"before" | "after", (app: App, kit: Kit) => unknown>> = {},
): Promise<(headers?: Record<string, string>) => Promise<RawReply>> {
  const kit = makeKit({ redis: server.url, deadline: "5s" });
  const app = express();
  app.set("env", "test");
  before?.(app, kit);
  app.use(kit.session() as RequestHandler);
  after?.(app, kit);
  app.get(
    "/run",
    wrap(async (req, res) => run(req, res)),
  );
  const url = await serve(app);
  return (headers = {}) => send(url, { path: "/run", headers });
}

describe("an end that throws, of a session that nobody touched", () => {
  it.each<[string, (res: Response) => unknown]>([
    ["a status message of two lines", (res) => ((res.statusMessage = "a\nb"), res.end())],
    [
      "someone's listener",
      (res) => {
        onHeaders(res, () => {
          if (res.statusCode === 200) throw new Error("theirs");
        });
        res.end();
      },
    ],
  ])("leaves it to the error handler to end the response: %s", async (_title, answer) => {
    const ask = await start((_req, res) => answer(res));
    expect((await ask()).status).toBe(500);
  });

  it("calls back each end(), the second one, too", async () => {
    const calls: number[] = [];
    const ask = await start((_req, res) => {
      res.end("x", () => void calls.push(1));
      return new Promise<void>((done) =>
        res.end(() => {
          calls.push(2);
          done();
        }),
      );
    });
    expect(textOf(await ask())).toBe("x");
    expect(new Set(calls)).toEqual(new Set([1, 2]));
  });
});

describe("an end that something below delays", () => {
  const late: RequestHandler = (_req, res, next) => {
    const end = res.end.bind(res) as (...args: unknown[]) => unknown;
    res.end = ((...args: unknown[]) => {
      setTimeout(() => end(...args), 10);
      return res;
    }) as typeof res.end;
    next();
  };
  it.each<[string, (app: App, kit: Kit) => unknown]>([
    ["a wrapper", (app) => app.use(late)],
    ["a purge", (app, kit) => app.use(kit.cache.purges("page") as RequestHandler)],
  ])("is a whole answer, whatever becomes of the session meanwhile: %s", async (_title, before) => {
    for (const change of [
      (req: Request) => (dataOf(req)["n"] = 1),
      (req: Request) => req.session.destroy(() => {}),
    ]) {
      const ask = await start(
        (req, res) => {
          res.json("bye");
          change(req);
        },
        { before },
      );
      const reply = await ask();
      expect([reply.status, textOf(reply)]).toEqual([200, '"bye"']);
    }
  });
});

describe.each(["before", "after"] as const)("compression %s session()", (place) => {
  const layout = { [place]: (app: App) => app.use(compression({ threshold: 0 })) };
  it("a stream that waits for a drain it asked for before its first byte", async () => {
    const ask = await start((req, res) => {
      dataOf(req)["n"] = 1;
      let left = 40;
      const go = (): void => {
        while (left > 0) {
          left -= 1;
          if (!res.write("x".repeat(8192))) return;
        }
        res.end();
      };
      res.on("drain", go);
      go();
    }, layout);
    expect((await ask()).body).toHaveLength(40 * 8192);
  });

  it("a pipeline", async () => {
    const ask = await start(async (req, res) => {
      dataOf(req)["n"] = 1;
      await pipeline(async function* chunks() {
        for (let n = 0; n < 40; n++) yield Buffer.alloc(8192, "x");
      }, res);
    }, layout);
    expect((await ask()).body).toHaveLength(40 * 8192);
  });

  it("an answer that Node refuses once it is let go is a 500 that can be read", async () => {
    const ask = await start((req, res) => {
      dataOf(req)["n"] = 1;
      res.statusMessage = "a\nb";
      res.type("text").end("x".repeat(5000));
    }, layout);
    const reply = await ask({ "Accept-Encoding": "gzip" });
    expect([reply.status, reply.headers["content-encoding"]]).toEqual([500, undefined]);
    expect(JSON.parse(textOf(reply))).toMatchObject({ status: 500, code: "HELD_ANSWER_FAILED" });
  });
});

describe("writeHead", () => {
  const fields = { "X-Own": "1", "Set-Cookie": ["own=1"] };
  const pairs = [
    ["X-Own", "1"],
    ["Set-Cookie", "own=1"],
  ];
  it.each<[string, unknown[]]>([
    ["(status, fields)", [201, fields]],
    ["(status, reason, fields)", [201, "Made", fields]],
    ["(status, undefined, fields)", [201, undefined, fields]],
    ["(status, null, fields)", [201, null, fields]],
    ["(status, flat list)", [201, pairs.flat()]],
    ["(status, flat list with an empty name)", [201, [...pairs.flat(), "", ""]]],
    ["(status, list of pairs)", [201, pairs]],
  ])("%s keeps its fields and the session's cookie", async (_title, args) => {
    const ask = await start((req, res) => {
      dataOf(req)["n"] = 1;
      (res.writeHead as (...all: unknown[]) => Response)(...args).end("x");
    });
    const reply = await ask();
    expect([reply.status, reply.headers["x-own"]]).toEqual([201, "1"]);
    expect(reply.headers["set-cookie"]).toHaveLength(2);
    expect(cookieLine(reply)).toBeDefined();
  });
});

describe("HTTP/2", () => {
  it("a stream that is destroyed while its answer is held leaves the others alone", async () => {
    const session = makeKit({ redis: server.url }).session();
    const waiting: (() => void)[] = [];
    const app = http2.createServer((req, res) => {
      session(req as never, res as never, () => {
        if (req.url === "/wait") {
          waiting.push(() => res.end("waited"));
          return;
        }
        (req as never as { session: Record<string, unknown> }).session["n"] = 1;
        res.end("held");
        if (req.url === "/destroy") req.socket.destroy();
      });
    });
    await new Promise<void>((listening) => app.listen(0, "127.0.0.1", listening));
    const client = http2.connect(`http://127.0.0.1:${(app.address() as AddressInfo).port}`);
    const get = (path: string): Promise<string> =>
      new Promise((done) => {
        const stream = client.request({ ":path": path });
        let body = "";
        stream.on("data", (chunk) => (body += String(chunk)));
        stream.on("error", () => {});
        stream.on("close", () => done(body));
      });
    const waited = get("/wait");
    expect(await get("/hold")).toBe("held");
    await get("/destroy");
    for (const answer of waiting) answer();
    expect(await waited).toBe("waited");
    client.destroy();
    app.close();
  });
});
