/** What is stored is what was made last, under the versions and tags that it was made under. */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { expressApp } from "../support/shells.ts";
import { createTiers } from "../../src/cache/store/tier.ts";
import { createKeys } from "../../src/keys.ts";
import type { CacheOptions } from "express-redis-kit";

afterEach(() => {
  jest.restoreAllMocks();
});

describe("an expire()", () => {
  it("counts at once, wherever the caller's clock stands", async () => {
    const kit = makeKit({ redis: false });
    let version = 0;
    const value = () => kit.cache.wrap("value", () => (version += 1));
    await value();
    await until(() => kit.cache.counts()["value"]?.stored === 1, "the value is stored");
    const now = Date.now();
    const clock = jest.spyOn(Date, "now").mockReturnValue(now + 30_000);
    expect(await kit.cache.expire("value")).toBe(true);
    clock.mockRestore();
    expect(await value()).toBe(2);
  });

  it("counts although another one came in the same millisecond", async () => {
    const kit = makeKit({ redis: false });
    let data = "old";
    const value = () =>
      kit.cache.wrap("value", async () => {
        const read = data;
        if (read === "second") await rendered;
        return read;
      });
    let render!: () => void;
    const rendered = new Promise<void>((resolve) => (render = resolve));
    await value();
    await until(() => kit.cache.counts()["value"]?.stored === 1, "the value is stored");
    jest.spyOn(Date, "now").mockReturnValue(Date.now());
    data = "second";
    await kit.cache.expire("value");
    const rendering = value();
    await until(() => kit.cache.counts()["value"]?.miss === 2, "the loader runs");
    data = "third";
    await kit.cache.expire("value");
    render();
    await rendering;
    await until(() => kit.cache.counts()["value"]?.stored === 2, "the value is stored");
    expect(await value()).toBe("third");
  });
});

describe("variants of one resource", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterEach(() => server.client.flushall());
  afterAll(() => server.stop());

  /** Answers the host and how often it was asked, for so many seconds as `times.age` says. */
  async function start(options: CacheOptions) {
    const kit = makeKit({ redis: server.url });
    const log = watchCache(kit);
    const app = expressApp();
    const times = { age: 60, asked: 0 };
    app.get("/page", kit.cache("page", options), (req, res) => {
      times.asked += 1;
      res.set("Cache-Control", `max-age=${times.age}`).send(`${req.hostname} ${times.asked}`);
    });
    const url = `${await serve(app)}/page`;
    const ask = async (host: string, headers: Record<string, string> = {}) => {
      const reply = textOf(await send(url, { headers: { Host: host, ...headers } }));
      await log.settled(log.events.filter(({ outcome }) => outcome === "miss").length);
      return reply;
    };
    return { ask, times };
  }

  it("an older response does not come back after a newer one was stored", async () => {
    const { ask, times } = await start({ ttl: "origin" });
    const real = Date.now;
    times.age = 10;
    await ask("b.test");
    times.age = 1000;
    expect(await ask("a.test")).toBe("a.test 2");
    // The first variant ends; the second is made anew, shorter-lived, and ends too.
    jest.spyOn(Date, "now").mockImplementation(() => real() + 11_000);
    times.age = 10;
    expect(await ask("a.test", { "Cache-Control": "no-cache" })).toBe("a.test 3");
    jest.spyOn(Date, "now").mockImplementation(() => real() + 22_000);
    await ask("b.test");
    expect(await ask("a.test")).not.toBe("a.test 2");
  });

  it("stay side by side where their tags differ", async () => {
    const { ask, times } = await start({ tags: (req) => [`host:${req.hostname}`] });
    for (const host of ["a.test", "b.test", "a.test", "b.test", "a.test", "b.test"]) {
      // eslint-disable-next-line no-await-in-loop -- one after the other
      await ask(host);
    }
    expect(times.asked).toBe(2);
  });
});

it("tags that are no list are an error, not letters", async () => {
  const kit = makeKit({ redis: false });
  const app = expressApp();
  app.get("/page", kit.cache("page", { tags: () => "brands" as never }), (_req, res) => {
    res.send("page");
  });
  expect((await send(`${await serve(app)}/page`)).status).toBe(500);
});

describe("wrap()", () => {
  it.each([
    ["undefined in a list", [undefined]],
    ["a hole", [1, , 3]], // eslint-disable-line no-sparse-arrays
    ["a WeakMap", new WeakMap()],
  ])("answers %s and does not store it", async (_name, value) => {
    const kit = makeKit({ redis: false });
    expect(await kit.cache.wrap("value", () => value)).toBe(value);
    expect(kit.cache.counts()["value"]?.refused).toEqual({ "not-json": 1 });
  });

  it("heeds options that were changed since", async () => {
    const kit = makeKit({ redis: false });
    const options = { tags: ["one"] };
    let version = 0;
    const value = (key: string) => kit.cache.wrap(key, () => (version += 1), options);
    await value("first");
    options.tags = ["two"];
    await value("second");
    await until(() => kit.cache.counts()["second"]?.stored === 1, "the value is stored");
    expect(await kit.cache.purgeTag("two")).toBe(true);
    expect(await value("second")).toBe(3);
  });

  it("gives a value its one shape, with Redis and without", async () => {
    const server = await startRedis();
    const kit = makeKit({ redis: server.url });
    const value = () => kit.cache.wrap("value", () => ({ at: new Date(0) }));
    const before = await value();
    await server.stop();
    expect(await value()).toEqual(before);
    expect(typeof (await value()).at).toBe("string");
  });
});

describe("a message on the channel of purges", () => {
  it.each(["nothing", "null", "5", "{}"])("that reads %s does no harm", (text) => {
    let tell: ((text: string) => void) | undefined;
    const push = {
      publish: () => Promise.resolve(),
      subscribe: (_channel: string, listener: { message: (text: string) => void }) => {
        tell = listener.message;
        return () => {};
      },
    };
    const notices = { add: () => {} };
    const context = { connection: { push }, keys: createKeys(""), notices };
    createTiers(context as never).open({ max: 10, ttl: 1000 });
    expect(() => tell!(text)).not.toThrow();
  });
});
