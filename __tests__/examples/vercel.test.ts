import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestListener } from "node:http";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from "@jest/globals";
import type { Kit } from "express-redis-kit";
import { thrown } from "../support/connections.ts";
import { createBrowser } from "../support/example.ts";
import { serve, withEnv } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

const DEMO = { username: "demo", password: "demo" };
/** What Vercel's edge sends with a request of this client. */
const fromEdge = (client = "203.0.113.9") => ({
  "X-Forwarded-Proto": "https",
  "X-Forwarded-For": client,
});

/** What one request gave to the platform to wait for. */
type Invocation = Promise<unknown>[];

const invocation = new AsyncLocalStorage<Invocation>();

/** As Vercel's own: it holds the invocation that calls it, and outside of one it does nothing. */
function waitUntil(work: Promise<unknown>): void {
  invocation.getStore()?.push(work);
}

interface Instance {
  readonly url: string;
  /** What each request so far gave to `waitUntil`. */
  readonly invocations: readonly Invocation[];
}

const kits: Kit[] = [];
afterEach(async () => {
  await Promise.all(kits.splice(0).map((kit) => kit.close()));
});

type Env = Record<string, string | undefined>;

/** Loads the function's module as a new instance does, with modules of its own. */
function load(env: Env): { default: RequestListener; kit: Kit } {
  let loaded: unknown;
  withEnv({ NODE_ENV: "production", SESSION_SECRET: "secret-of-the-test", ...env }, () => {
    jest.isolateModules(() => {
      jest.doMock("@vercel/functions", () => ({ waitUntil }), { virtual: true });
      loaded = require("../../examples/vercel/api/index.ts");
    });
  });
  return loaded as ReturnType<typeof load>;
}

/** A cold start: the module is loaded, and its default export gets requests from node:http. */
async function coldStart(env: Env): Promise<Instance> {
  jest.spyOn(console, "info").mockImplementation(() => {});
  const { default: app, kit } = load(env);
  kits.push(kit);
  const invocations: Invocation[] = [];
  const url = await serve((req, res) => {
    const mine: Invocation = [];
    invocations.push(mine);
    invocation.run(mine, () => app(req, res));
  });
  return { url, invocations };
}

describe("the example on Vercel", () => {
  it("sends every path to the one function, and adds nothing to the query, which the cache would see", () => {
    const { rewrites } = jest.requireActual<{ rewrites: unknown }>(
      "../../examples/vercel/vercel.json",
    );
    // A named parameter of `source` would be added to the query.
    expect(rewrites).toEqual([{ source: "/(.*)", destination: "/api" }]);
  });

  it("does not start without a Redis in production, and says what to set", () => {
    expect(thrown(() => load({ REDIS_URL: undefined }))).toMatchObject({
      code: "REDIS_NOT_CONFIGURED",
      fix: expect.stringContaining("UPSTASH_REDIS_REST_URL"),
    });
  });
});

let redis: RedisServer;
let emulator: RestEmulator;
beforeAll(async () => {
  redis = await startRedis({ tcp: true });
  emulator = await startRestEmulator({ socketPath: redis.socketPath, tokens: ["token"] });
});
beforeEach(() => redis.client.flushall());
afterAll(async () => {
  await emulator.stop();
  await redis.stop();
});

/** The kits' TCP connections, as the server sees them. */
async function connections(): Promise<string[]> {
  const list = String(await redis.client.client("LIST"));
  return list
    .split("\n")
    .filter((line) => line.includes("name=express-redis-kit"))
    .map((line) => /^id=(\d+)/.exec(line)![1]!);
}

/** The three ways to say in the environment where Redis is. */
const WAYS: Record<string, () => Env> = {
  "over TCP (REDIS_URL)": () => ({ REDIS_URL: redis.url }),
  "over REST (UPSTASH_REDIS_REST_*)": () => ({
    UPSTASH_REDIS_REST_URL: emulator.url,
    UPSTASH_REDIS_REST_TOKEN: "token",
  }),
  "over REST (KV_REST_API_*), also where an integration sets REDIS_URL too": () => ({
    KV_REST_API_URL: emulator.url,
    KV_REST_API_TOKEN: "token",
    REDIS_URL: redis.url,
  }),
};

describe.each(Object.entries(WAYS))("the example on Vercel, %s", (way, env) => {
  const start = (): Promise<Instance> => coldStart(env());

  it("speaks what the environment chose", async () => {
    const { url } = await start();
    const health = await (await fetch(`${url}/health`, { headers: fromEdge() })).json();
    const connection = way.startsWith("over TCP") ? "tcp" : "rest";
    expect(health).toMatchObject({ status: "ok", connection });
    expect(await connections()).toHaveLength(connection === "tcp" ? 1 : 0);
  });

  it("signs in with a Secure cookie behind the edge, on all instances, and out again", async () => {
    const [one, other] = await Promise.all([start(), start()]);
    const first = createBrowser(one.url, fromEdge());
    const answer = await first("POST", "/login", DEMO);
    expect(answer.status).toBe(200);
    const [cookie = ""] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-sid=.*; Secure/);
    const hello = await fetch(`${other.url}/hello`, {
      headers: { ...fromEdge(), cookie: cookie.split(";", 1)[0]! },
    });
    expect(await hello.json()).toEqual({ hello: "demo" });
    expect((await first("POST", "/logout")).status).toBe(204);
    expect(await (await first("GET", "/hello")).json()).toEqual({ hello: "stranger" });
  });

  it("counts each client by the address that the edge saw, whatever the client claims", async () => {
    const { url } = await start();
    await createBrowser(url, fromEdge("203.0.113.9"))("GET", "/hello");
    await createBrowser(url, fromEdge("198.51.100.1, 203.0.113.10"))("GET", "/hello");
    expect((await redis.client.keys("ratelimit:*")).toSorted()).toEqual([
      "ratelimit:api:203.0.113.10",
      "ratelimit:api:203.0.113.9",
    ]);
  });

  it("limits a client over all instances", async () => {
    const instances = await Promise.all([start(), start()]);
    const statuses: number[] = [];
    for (let n = 0; n < 102; n++) {
      const { url } = instances[n % 2]!;
      statuses.push((await fetch(`${url}/hello`, { headers: fromEdge() })).status);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(100);
    expect(statuses.slice(100)).toEqual([429, 429]);
  });

  it("caches the settings, and forgets them when they change", async () => {
    const browser = createBrowser((await start()).url, fromEdge());
    await browser("POST", "/login", DEMO);
    const read = async (): Promise<string> => {
      const answer = await browser("GET", "/brands/456/settings");
      const { color } = (await answer.json()) as { color: string };
      return `${color} ${answer.headers.get("cache-status")?.replace(/ttl=\d+/, "ttl")}`;
    };
    expect(await read()).toBe("teal express-redis-kit; fwd=miss; stored");
    expect(await read()).toBe("teal express-redis-kit; hit; ttl");
    expect((await browser("PUT", "/brands/456/settings", { color: "plum" })).status).toBe(204);
    expect(await read()).toBe("plum express-redis-kit; fwd=miss; stored");
  });
});

describe("the example on Vercel, over TCP", () => {
  const start = (): Promise<Instance> => coldStart(WAYS["over TCP (REDIS_URL)"]!());

  it("opens one connection at the cold start, which warm requests reuse", async () => {
    const { url } = await start();
    const browser = createBrowser(url, fromEdge());
    expect((await browser("GET", "/hello")).status).toBe(200);
    const [first, ...others] = await connections();
    expect(others).toEqual([]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => browser("GET", "/hello")));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    expect(await connections()).toEqual([first]);
  });

  it("answers the request after the server dropped the connection of a paused instance", async () => {
    const { url } = await start();
    const browser = createBrowser(url, fromEdge());
    await browser("GET", "/hello");
    const [old] = await connections();
    await redis.client.client("KILL", "ID", old!);
    expect((await browser("GET", "/hello")).status).toBe(200);
    expect(await connections()).not.toContain(old);
  });

  it("stays awake until the idle connection is closed, and opens it again for the next request", async () => {
    const { url, invocations } = await start();
    const browser = createBrowser(url, fromEdge());
    expect((await browser("POST", "/login", DEMO)).status).toBe(200);
    const [first] = await connections();
    const given = invocations.flat();
    expect(given).not.toEqual([]);
    await Promise.all(given);
    await until(async () => (await connections()).length === 0, "the server sees no connection");
    expect(await (await browser("GET", "/hello")).json()).toEqual({ hello: "demo" });
    expect(await connections()).toHaveLength(1);
    expect(await connections()).not.toContain(first);
    // Awake again for as long as this connection lives.
    expect(invocations.at(-1)).not.toEqual([]);
  });

  it("lets go of a request while the next ones keep the connection in use", async () => {
    const { url, invocations } = await start();
    const isReleased: boolean[] = [];
    const follow = (work: Promise<unknown>, index: number): void => {
      isReleased[index] = false;
      void work.then(() => (isReleased[index] = true));
    };
    // Busy without a pause: the connection is never idle, yet no invocation may be held until it times out.
    let client = 0;
    await until(async () => {
      await createBrowser(url, fromEdge(`203.0.113.${client++ % 250}`))("GET", "/hello");
      for (const [index, work] of invocations.flat().entries()) {
        if (index in isReleased) continue;
        follow(work, index);
      }
      return isReleased[0] === true;
    }, "the first invocation is released");
    expect(await connections()).toHaveLength(1);
    expect(isReleased.at(-1)).toBe(false);
  });
});

describe("the example on Vercel, over REST", () => {
  const start = (): Promise<Instance> => coldStart(WAYS["over REST (UPSTASH_REDIS_REST_*)"]!());

  it("answers the request after a pause in which the HTTPS connections were lost", async () => {
    const { url } = await start();
    const browser = createBrowser(url, fromEdge());
    await browser("POST", "/login", DEMO);
    emulator.cut();
    expect(await (await browser("GET", "/hello")).json()).toEqual({ hello: "demo" });
  });

  it("holds no request back from the platform: there is no connection to close", async () => {
    const { url, invocations } = await start();
    const browser = createBrowser(url, fromEdge());
    await browser("POST", "/login", DEMO);
    await browser("GET", "/brands/456/settings");
    expect(invocations).toEqual([[], []]);
  });

  it("reuses its HTTPS connections in a warm instance", async () => {
    const { url } = await start();
    const browser = createBrowser(url, fromEdge());
    await browser("GET", "/hello");
    const before = emulator.accepted();
    for (let n = 0; n < 10; n++) await browser("GET", "/hello");
    expect(emulator.accepted()).toBe(before);
  });
});
