/** What goes wrong around the cache is neither a hang, nor a crash, nor anybody's broken answer. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { get } from "node:http";
import { setImmediate } from "node:timers/promises";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { expressApp } from "../support/shells.ts";
import type { RequestHandler } from "express";

const rejections: unknown[] = [];
let tell = (): void => {};
const note = (error: unknown): void => {
  rejections.push(error);
  tell();
};
/** Resolves once something was not caught. */
const uncaught = (): Promise<void> => new Promise((resolve) => (tell = resolve));

beforeAll(() => {
  process.on("unhandledRejection", note);
});
beforeEach(() => {
  rejections.length = 0;
});
afterAll(() => {
  process.off("unhandledRejection", note);
});

describe("an answer that somebody gave while the cache was looking", () => {
  it("stands, and the process too", async () => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = expressApp();
    /** As a timeout does that ends a request before Redis has answered. */
    const impatient: RequestHandler = (req, res, next) => {
      next();
      if (req.headers["x-impatient"] !== undefined) res.status(503).send("too late");
    };
    app.get("/page", impatient, kit.cache("page"), (_req, res) => void res.send("page"));
    const url = `${await serve(app)}/page`;
    await send(url);
    await log.settled(1);
    const reply = await send(url, { headers: { "X-Impatient": "1" } });
    await send(url); // Looked up after the first one's lookup was over.
    expect(textOf(reply)).toBe("too late");
    expect(rejections).toEqual([]);
  });
});

describe("a response that a client left in the middle", () => {
  /** Ends what is left of an answer once nobody waits for it. */
  const endings: [name: string, before: RequestHandler][] = [
    ["the handler when the request is aborted", (req, res) => req.on("aborted", () => res.end())],
    ["a middleware when the response closes", (_req, res) => res.on("close", () => res.end())],
  ];
  it.each(endings)("is not stored where it is ended by %s", async (_name, before) => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = expressApp();
    app.use((req, res, next) => {
      before(req, res, next);
      next();
    });
    let asked = 0;
    app.get("/page", kit.cache("page"), (_req, res) => {
      asked += 1;
      res.write("first half");
      if (asked > 1) res.end(", second half");
    });
    const url = `${await serve(app)}/page`;
    const leaving = get(url, { agent: false }, (reply) =>
      reply.once("data", () => leaving.destroy()),
    );
    leaving.on("error", () => {});
    await log.settled(1);
    expect(textOf(await send(url))).toBe("first half, second half");
  });
});

describe("a request property that cannot be redefined", () => {
  it("costs the cache, not the answer", async () => {
    const kit = makeKit({ redis: false });
    const app = expressApp();
    app.use((req, _res, next) => {
      Object.defineProperty(req, "session", { get: () => ({}) });
      next();
    });
    app.get("/page", kit.cache("page"), (_req, res) => void res.send("page"));
    const url = `${await serve(app)}/page`;
    const first = await Promise.race([send(url).then(textOf), uncaught().then(() => "uncaught")]);
    expect(first).toBe("page");
  });
});

describe("two caches of one template on a request's way", () => {
  it("do not wait for one another", async () => {
    const kit = makeKit({ redis: false });
    const app = expressApp();
    const log = watchCache(kit);
    app.use(kit.cache("page", { collapse: { wait: "1m", age: "1m" } }));
    let isAsked = false;
    app.get("/page", kit.cache("page", { collapse: { wait: "2s" } }), (_req, res) => {
      isAsked = true;
      res.send("page");
    });
    const reply = send(`${await serve(app)}/page`);
    await until(() => log.outcomes().includes("miss"), "the outer cache has missed");
    for (let turn = 0; turn < 100; turn += 1) await setImmediate();
    expect(isAsked).toBe(true);
    expect(textOf(await reply)).toBe("page");
  });
});

describe("a refresh in the background", () => {
  const handlers: [name: string, handler: RequestHandler][] = [
    ["limits its response's time", (_req, res) => void res.setTimeout(5000)],
    ["sets options of the connection", (_req, res) => void res.socket!.setNoDelay(true)],
  ];
  it.each(handlers)("succeeds where the handler %s", async (_name, touch) => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const app = expressApp();
    let version = 0;
    app.get("/page", kit.cache("page", { stale: "1h" }), (req, res, next) => {
      touch(req, res, next);
      res.send(`v${(version += 1)}`);
    });
    const url = `${await serve(app)}/page`;
    await send(url);
    await log.settled(1);
    await kit.cache.expire("page");
    await send(url);
    await log.settled(2);
    expect(textOf(await send(url))).toBe("v2");
  });
});

type Line = Record<string, unknown>;

describe("what somebody else left at an entry's key", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterEach(() => server.client.flushall());
  afterAll(() => server.stop());

  /** Stores a page, changes the line of JSON before its body, asks again. */
  async function askAfter(change: (line: Line) => void): Promise<RawReply | "no answer"> {
    const kit = makeKit({ redis: server.url });
    const log = watchCache(kit);
    const app = expressApp();
    app.get("/page", kit.cache("page", { host: false }), (_req, res) => void res.send("page"));
    const url = `${await serve(app)}/page`;
    await send(url);
    await log.settled(1);
    const value = await server.client.getBuffer("cache:page");
    const end = value!.indexOf(10);
    const line = JSON.parse(value!.toString("utf8", 0, end)) as Line;
    change(line);
    const rest = value!.subarray(end);
    const changed = Buffer.concat([Buffer.from(JSON.stringify(line)), rest]);
    await server.client.set("cache:page", changed, "PX", 60_000);
    const failed = uncaught();
    return Promise.race([
      send(url).catch((): "no answer" => "no answer"),
      failed.then((): "no answer" => "no answer"),
    ]);
  }

  const changes: [name: string, change: (line: Line) => void][] = [
    ["a line break in a field", (line) => (line["fields"] = { "x-a": "a\r\nSet-Cookie: a=1" })],
    ["a name that is none", (line) => (line["fields"] = { "x a": "1" })],
    ["an empty name", (line) => (line["fields"] = { "": "1" })],
    ["another length", (line) => (line["fields"] = { "content-length": "9999" })],
    ["a shorter length", (line) => (line["fields"] = { "content-length": "1" })],
    ["a cookie", (line) => (line["fields"] = { "set-cookie": "a=1" })],
    ["a status that is none", (line) => (line["status"] = 9999)],
    ["the status 0", (line) => (line["status"] = 0)],
    ["a negative status", (line) => (line["status"] = -1)],
    ["an interim status", (line) => (line["status"] = 100)],
    ["another protocol", (line) => (line["status"] = 101)],
    ["a birth that is no time", (line) => (line["bornAt"] = "yesterday")],
  ];
  it.each(changes)("with %s is no answer where it is stale, either", async (_name, change) => {
    const reply = await askAfter((line) => {
      change(line);
      Object.assign(line, { freshUntil: Date.now() - 1000, stale: 60_000 });
    });
    expect(reply).toMatchObject({ status: 200 });
    expect(textOf(reply as RawReply)).toBe("page");
    expect((reply as RawReply).headers["set-cookie"]).toBeUndefined();
  });

  it.each(changes)("with %s is no answer", async (_name, change) => {
    const reply = await askAfter(change);
    if (reply === "no answer") throw new Error(`No answer; ${String(rejections[0])}`);
    expect({
      status: reply.status,
      text: textOf(reply),
      cookie: reply.headers["set-cookie"],
      age: reply.headers["age"] ?? "0",
    }).toEqual({
      status: 200,
      text: "page",
      cookie: undefined,
      age: expect.stringMatching(/^\d+$/),
    });
  });
});
