import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type Http2Server } from "node:http2";
import type { Middleware } from "express-redis-kit";
import { CacheStore } from "../../src/cache/store/store.ts";
import { afterRoundTrips, watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { startRedis, until } from "../support/redis-server.ts";
import { expressApp } from "../support/shells.ts";

const open: { client: ClientHttp2Session; server: Http2Server }[] = [];
afterEach(() => {
  jest.restoreAllMocks();
  for (const { client, server } of open.splice(0)) {
    client.destroy();
    server.close();
  }
});

/** A promise that is let go by hand. */
function gate(): { passed: Promise<void>; open: () => void } {
  let go!: () => void;
  const passed = new Promise<void>((resolve) => (go = resolve));
  return { passed, open: go };
}

/** A middleware and its handler over HTTP/2. */
async function overHttp2(middleware: Middleware, handler: (response: never) => unknown) {
  const server = createServer((request, response) => {
    middleware(request as never, response as never, () => void handler(response as never));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = connect(`http://127.0.0.1:${port}`);
  open.push({ client, server });
  const ask = async (method = "GET"): Promise<string> => {
    const stream = client.request({ ":path": "/", ":method": method });
    let text = "";
    for await (const chunk of stream) text += String(chunk);
    return text;
  };
  return { client, ask };
}

describe("who was answered meanwhile", () => {
  it("gets no second answer where the error of another one's handler is covered", async () => {
    const kit = makeKit({ redis: false });
    const log = watchCache(kit);
    const handler = gate();
    let calls = 0;
    let early: (() => void) | undefined;
    const app = expressApp();
    app.use((req, res, next) => {
      if (req.get("X-Early") !== undefined) early = () => void res.writeHead(503).write("too late");
      next();
    });
    const cached = kit.cache("page", { ttl: "1h", staleIfError: "1h" });
    app.get("/page", cached, async (_req, res) => {
      calls += 1;
      if (calls > 1) await handler.passed;
      res.status(calls > 1 ? 500 : 200).send("page");
    });
    const url = `${await serve(app)}/page`;
    await send(url);
    await log.settled(1);
    await kit.cache.expire("page");
    const leader = send(url);
    await until(() => calls === 2, "one makes it anew");
    const follower = send(url, { headers: { "X-Early": "1" } }).catch(() => "broken off");
    await until(() => early !== undefined, "another one waits");
    await afterRoundTrips(kit);
    early!();
    handler.open();
    expect((await leader).status).toBe(200);
    // Jest fails a test during which a rejection was not handled.
    await afterRoundTrips(kit);
    expect(calls).toBe(2);
    void follower;
  });

  it("has no handler called, where Redis was asked in vain", async () => {
    const kit = makeKit({ redis: false });
    const cached = kit.cache("page");
    const lookup = gate();
    let handled = 0;
    jest.spyOn(CacheStore.prototype, "find").mockImplementation(async () => {
      await lookup.passed;
      throw new Error("in vain");
    });
    const url = await serve((request, response) => {
      cached(request, response, () => void (handled += 1));
      response.end("early");
    });
    await send(url);
    lookup.open();
    await afterRoundTrips(kit);
    expect(handled).toBe(0);
  });
});

describe("over HTTP/2", () => {
  it("who resets a request while it is looked for holds nobody up", async () => {
    const kit = makeKit({ redis: false });
    const cached = kit.cache("page", { collapse: { wait: "10m", age: "10m" } });
    const lookup = gate();
    const handler = { page: (response: { end(text: string): void }) => response.end("page") };
    const { client, ask } = await overHttp2(cached, handler.page);
    const original = CacheStore.prototype as unknown as { find: (place: never) => Promise<never> };
    const { find } = original;
    const looks = jest.spyOn(original, "find").mockImplementation(async function (
      this: unknown,
      place,
    ) {
      await lookup.passed;
      return find.call(this as never, place);
    });
    const stream = client.request({ ":path": "/" });
    stream.on("error", () => {});
    await until(() => looks.mock.calls.length === 1, "it is looked for");
    stream.close(8);
    await once(stream, "close");
    await afterRoundTrips(kit);
    lookup.open();
    expect(await ask()).toBe("page");
  });

  it.each([204, 205])("a write's %s does not leave before its purge", async (status) => {
    const redis = await startRedis();
    const kit = makeKit({ redis: redis.url, deadline: "10s" });
    await kit.ready();
    let isAnswered = false;
    const { ask } = await overHttp2(
      kit.cache.purges("page"),
      (response: { writeHead(status: number): { end(): void } }) =>
        response.writeHead(status).end(),
    );
    redis.kill("SIGSTOP");
    const answer = ask("DELETE").then(() => (isAnswered = true));
    // Another stream of the same connection comes and goes meanwhile.
    for (let pings = 0; pings < 20; pings++) {
      await new Promise((resolve) => void open[0]!.client.ping(resolve));
    }
    expect(isAnswered).toBe(false);
    redis.kill("SIGCONT");
    await answer;
    await redis.stop();
  });
});
