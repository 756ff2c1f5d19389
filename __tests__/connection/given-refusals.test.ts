import { afterEach, describe, expect, it } from "@jest/globals";
import { Redis as UpstashRedis } from "@upstash/redis";
import { Cluster, Redis } from "ioredis";
import { createClient, createClientPool, createCluster, createSentinel } from "redis";
import type { KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import { describeTarget } from "../../src/config/redis-target.ts";
import { thrown } from "../support/connections.ts";
import { createLog } from "../support/kit.ts";

const endings: (() => unknown)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

function ioredis(...args: (string | object)[]): Redis {
  const [first, second] = typeof args[0] === "string" ? args : [undefined, args[0]];
  const options = { lazyConnect: true, ...(second as object) };
  const client = first === undefined ? new Redis(options) : new Redis(first as string, options);
  endings.push(() => client.disconnect());
  return client;
}

function cluster(nodes: (string | object)[], options: object = {}): Cluster {
  const client = new Cluster(nodes, { lazyConnect: true, ...options });
  endings.push(() => client.disconnect());
  return client;
}

function upstash(url: string): UpstashRedis {
  return new UpstashRedis({ url, token: "s3cret" });
}

function configure(
  redis: unknown,
  options: KitOptions = {},
  env: Record<string, string> = { NODE_ENV: "production" },
) {
  return resolveConfig({ logger: createLog(), redis: redis as never, ...options }, env);
}

describe("a client as the option `redis`", () => {
  const CLIENTS = [
    ["redis://127.0.0.1:6379/0 by the application's ioredis client", () => ioredis()],
    [
      "rediss://user.example:6380/2 by the application's ioredis client",
      () => ioredis("rediss://user:s3cret@user.example:6380/2"),
    ],
    [
      "unix:///run/redis.sock by the application's ioredis client",
      () => ioredis({ path: "/run/redis.sock", password: "s3cret" }),
    ],
    [
      "rediss+sentinel://one:26379,two:26380/main by the application's ioredis client",
      () =>
        ioredis({
          sentinels: [{ host: "one" }, { host: "two", port: 26_380 }],
          name: "main",
          tls: {},
          enableTLSForSentinelMode: true,
          sentinelPassword: "s3cret",
        }),
    ],
    [
      "rediss://one:7000,two:7001,[::1]:7002 by the application's ioredis client",
      () =>
        cluster(["redis://:s3cret@one:7000", { host: "two", port: 7001 }, "redis://[::1]:7002"], {
          redisOptions: { tls: {}, password: "s3cret" },
        }),
    ],
    [
      "redis://127.0.0.1:7000 by the application's ioredis client",
      () => cluster([7000 as unknown as object]),
    ],
    [
      "rediss://user.example:6379/3 by the application's node-redis client",
      () => createClient({ url: "rediss://user:s3cret@user.example/3" }),
    ],
    ["redis://localhost:6379/0 by the application's node-redis client", () => createClient()],
    [
      "unix:///run/redis.sock by the application's node-redis client",
      () => createClient({ socket: { path: "/run/redis.sock", tls: false }, password: "s3cret" }),
    ],
    [
      "rediss://one:7000,two:7001 by the application's node-redis client",
      () =>
        createCluster({
          rootNodes: [
            { url: "rediss://:s3cret@one:7000" },
            { socket: { host: "two", port: 7001 } },
          ],
          defaults: { socket: { tls: true }, password: "s3cret" },
        }),
    ],
    [
      "https://eu.upstash.example by the application's @upstash/redis client",
      () => upstash("https://eu.upstash.example"),
    ],
  ] as const;

  it.each(CLIENTS)("is called %s", (text, make) => {
    const { target, source } = configure(make(), {}, { REDIS_URL: "redis://elsewhere" });
    expect(describeTarget(target)).toBe(text.replace("127.0.0.1:6379/0", "localhost:6379/0"));
    expect(source).toBe("options");
    expect(Object.isFrozen(target)).toBe(true);
  });

  it("waits a second for REST, and not for the others", () => {
    expect(configure(upstash("https://eu.upstash.example")).deadline).toBe(1000);
    expect(configure(ioredis()).deadline).toBe(250);
  });

  it("leaves the environment's certificates to the client", () => {
    const { tls } = configure(ioredis(), {}, { REDIS_CA: "no file", REDIS_CERT: "none" });
    expect(tls).toMatchObject({ ca: undefined, cert: undefined });
  });
});

describe("a client that the kit cannot work with", () => {
  it.each([
    ["keyPrefix", () => ioredis({ keyPrefix: "app:" }), "namespace"],
    ["keyPrefix", () => cluster(["redis://a"], { keyPrefix: "app:" }), "namespace"],
    ["keyPrefix", () => cluster(["redis://a"], { redisOptions: { keyPrefix: "a" } }), "namespace"],
    ["keyPrefix", () => createClient({ keyPrefix: "app:" }), "namespace"],
    ["keyPrefix", () => createCluster({ rootNodes: [], keyPrefix: "app:" }), "namespace"],
    ["stringNumbers", () => ioredis({ stringNumbers: true }), "stringNumbers: false"],
    [
      "stringNumbers",
      () => cluster(["redis://a"], { redisOptions: { stringNumbers: true } }),
      "stringNumbers: false",
    ],
    [
      "enableAutoPipelining",
      () => ioredis({ enableAutoPipelining: true }),
      "enableAutoPipelining: false",
    ],
    [
      "enableAutoPipelining",
      () => cluster(["redis://a"], { enableAutoPipelining: true }),
      "enableAutoPipelining: false",
    ],
    ["scaleReads", () => cluster(["redis://a"], { scaleReads: "slave" }), "a Cluster without it"],
    ["without an address", () => new UpstashRedis({ request: async () => ({}) }), "a `url`"],
    ["class", () => createClientPool({}), "node-redis client"],
    [
      "class",
      () => createSentinel({ name: "main", sentinelRootNodes: [{ host: "a", port: 1 }] }),
      "node-redis client",
    ],
    ["class Map", () => new Map(), "an ioredis Redis"],
    ["class Pipeline", () => ioredis().pipeline(), "an ioredis Redis"],
    [
      "before version 5",
      () => ({ isOpen: true, isReady: true, sendCommand: () => {} }),
      "version 5 or later",
    ],
    ["holds a client as `client`", () => ({ client: ioredis() }), "createKit({ redis: client })"],
    [
      "holds a client as `url`",
      () => ({ url: upstash("https://a.example"), token: "s3cret" }),
      "createKit({ redis: client })",
    ],
  ])("is refused: %s", (what, make, fix) => {
    const error = thrown(() => configure(make(), {}, {}));
    expect(error.code).toBe("INVALID_OPTION");
    expect(error.message).toContain(what);
    expect(error.fix).toContain(fix);
    expect(error.message).not.toContain("s3cret");
  });

  it.each([{ waitUntil: () => {} }, { idleTimeout: "5s" as const }])(
    "has no %p beside it",
    (options) => {
      const error = thrown(() => configure(ioredis(), options));
      expect(error.code).toBe("INVALID_OPTION");
      expect(error.message).toContain("neither opens nor closes");
    },
  );

  it("is told from the parts of an address", () => {
    const { target } = configure({ url: "redis://127.0.0.1" });
    expect(target.kind).toBe("standalone");
    expect(thrown(() => configure({ uri: "redis://127.0.0.1" })).code).toBe("UNKNOWN_OPTION");
    expect(thrown(() => configure([])).code).toBe("INVALID_OPTION");
    expect(thrown(() => configure(null)).code).toBe("INVALID_OPTION");
  });
});
