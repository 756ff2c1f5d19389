import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import express from "express";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** An app whose PUT purges, and is answered by `handler`. */
async function start(handler: express.RequestHandler) {
  const kit = makeKit({ redis: redis.url });
  const app = express();
  app.put("/x", kit.cache.purges("x"), handler);
  app.get("/x", kit.cache("x", { scope: "public" }), (_req, res) => {
    res.json("page");
  });
  const seen: unknown[] = [];
  app.use(((error, _req, res, next) => {
    seen.push(error.code ?? error.message);
    if (res.headersSent) next(error);
    else res.status(500).json({ failed: true });
  }) as express.ErrorRequestHandler);
  return { url: await serve(app), seen };
}

const put = (url: string) => fetch(`${url}/x`, { method: "PUT" });

describe("a response that waits for its purge", () => {
  it("is what was answered first, whatever the handler does afterwards", async () => {
    const { url, seen } = await start(async (_req, res) => {
      res.status(201).json({ ok: "a".repeat(50) });
      res.statusCode = 500;
      throw new Error("too late");
    });
    const response = await put(url);
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({ ok: "a".repeat(50) });
    expect(seen).toEqual(["too late"]);
  });

  it("cannot be answered twice: the second answer throws, as without a purge", async () => {
    const { url, seen } = await start((_req, res) => {
      res.json("first");
      res.json("a longer second");
    });
    const response = await put(url);
    expect([response.status, await response.json()]).toEqual([200, "first"]);
    expect(seen).toEqual(["ERR_HTTP_HEADERS_SENT"]);
  });

  it("leaves the connection in step for the next one", async () => {
    const { url } = await start((_req, res) => {
      res.json({ ok: "a".repeat(50) });
      throw new Error("too late");
    });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    await once(socket, "connect");
    let text = "";
    socket.on("data", (bytes) => (text += bytes.toString()));
    socket.write("PUT /x HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n");
    await until(() => text.includes("404 Not Found"), "both answers");
    socket.destroy();
    const [first] = text.split("HTTP/1.1 404");
    const body = first!.split("\r\n\r\n")[1]!;
    expect(body).toBe(JSON.stringify({ ok: "a".repeat(50) }));
  });

  it("whose header had left goes out whole, though an error follows", async () => {
    const { url } = await start((_req, res) => {
      res.write("begun, ");
      res.end("done");
      throw new Error("too late");
    });
    expect(await (await put(url)).text()).toBe("begun, done");
  });

  it("takes no byte after its end, and says so to whoever wrote it", async () => {
    const told: unknown[] = [];
    const { url } = await start((_req, res) => {
      res.write("begun, ");
      res.end("done");
      res.flushHeaders();
      res.write("EXTRA", (error) => told.push((error as { code?: string } | undefined)?.code));
    });
    expect(await (await put(url)).text()).toBe("begun, done");
    expect(told).toEqual(["ERR_STREAM_WRITE_AFTER_END"]);
  });

  it("of a kind that Node refuses throws in the handler", async () => {
    const { url, seen } = await start((_req, res) => {
      res.end(42);
    });
    expect((await put(url)).status).toBe(500);
    expect(seen).toEqual(["ERR_INVALID_ARG_TYPE"]);
  });

  it("purges although its client left before a streamed body ended", async () => {
    let begun = false;
    const { url } = await start((_req, res) => {
      res.write("begun");
      begun = true;
      new Readable({ read() {} }).pipe(res);
    });
    await (await fetch(`${url}/x`)).text();
    await until(async () => (await redis.client.exists("cache:x")) === 1, "the page is stored");
    const controller = new AbortController();
    const leaving = fetch(`${url}/x`, { method: "PUT", signal: controller.signal });
    await until(() => begun, "the response has begun");
    await leaving;
    controller.abort();
    await until(async () => (await redis.client.exists("cache:x")) === 0, "the page is purged");
  });
});
