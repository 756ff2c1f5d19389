import { afterEach, describe, expect, it } from "@jest/globals";
import { Redis as UpstashRedis } from "@upstash/redis";
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import type { KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
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

describe("a client in production, by its options alone", () => {
  const plain: [string, string, () => unknown][] = [
    ["of ioredis", "tls: {}", () => ioredis("redis://redis.internal")],
    ["of ioredis, upper case", "tls: {}", () => ioredis("REDISS://redis.internal")],
    [
      "of ioredis with tls: false",
      "tls: {}",
      () => ioredis({ host: "redis.internal", tls: false }),
    ],
    [
      "of ioredis with Sentinels and TLS that is not for them",
      "enableTLSForSentinelMode",
      () => ioredis({ sentinels: [{ host: "redis.internal" }], name: "main", tls: {} }),
    ],
    ["of ioredis's Cluster by URL", "redisOptions", () => cluster(["rediss://redis.internal"])],
    [
      "of ioredis's Cluster with one encrypted startup node",
      "redisOptions",
      () => cluster([{ host: "redis.internal", tls: {} }]),
    ],
    ["of node-redis", "tls: true", () => createClient({ url: "redis://redis.internal" })],
    [
      "of node-redis with an object as tls",
      "tls: true",
      () => createClient({ socket: { host: "redis.internal", tls: {} as never } }),
    ],
    [
      "of node-redis's cluster with one encrypted root node",
      "defaults",
      () => createCluster({ rootNodes: [{ url: "rediss://redis.internal" }] }),
    ],
    ["of @upstash/redis", "https:", () => upstash("http://redis.internal")],
  ];

  it.each(plain)("refuses a plaintext client %s", (_name, fix, make) => {
    const error = thrown(() => configure(make()));
    expect(error.code).toBe("PLAINTEXT_REFUSED");
    expect(error.message).toContain("redis.internal");
    expect(error.fix).toContain(fix);
    expect(error.message + error.fix).not.toContain("s3cret");
  });

  it.each(plain)("allows it by host, with one warning: %s", (_name, _fix, make) => {
    const { warnings } = configure(make(), { allowPlaintext: ["redis.internal"] });
    expect(warnings).toEqual([
      "Redis at redis.internal is reached without TLS, as allowPlaintext permits.",
    ]);
  });

  it.each(plain)("allows it elsewhere: %s", (_name, _fix, make) => {
    expect(configure(make(), {}, {}).warnings).toEqual([]);
  });

  const unverified: [string, () => unknown][] = [
    [
      "rejectUnauthorized: false of ioredis",
      () => ioredis({ host: "redis.example", tls: { rejectUnauthorized: false } }),
    ],
    [
      "checkServerIdentity of ioredis",
      () => ioredis({ host: "redis.example", tls: { checkServerIdentity: () => undefined } }),
    ],
    [
      "rejectUnauthorized: false of ioredis's Cluster",
      () =>
        cluster(["redis://redis.example"], {
          redisOptions: { tls: { rejectUnauthorized: false } },
        }),
    ],
    [
      "rejectUnauthorized: false of node-redis",
      () =>
        createClient({ socket: { host: "redis.example", tls: true, rejectUnauthorized: false } }),
    ],
    [
      "checkServerIdentity of node-redis's cluster",
      () =>
        createCluster({
          rootNodes: [{ url: "rediss://redis.example" }],
          defaults: { socket: { tls: true, checkServerIdentity: () => undefined } },
        }),
    ],
  ];

  it.each(unverified)("refuses %s, and allows it by host", (_name, make) => {
    const error = thrown(() => configure(make()));
    expect(error.code).toBe("TLS_VERIFICATION_REFUSED");
    expect(configure(make(), { allowUnverifiedTls: ["redis.example"] }).warnings).toHaveLength(1);
  });

  it("refuses NODE_TLS_REJECT_UNAUTHORIZED=0 for clients too", () => {
    const env = { NODE_ENV: "production", NODE_TLS_REJECT_UNAUTHORIZED: "0" };
    const error = thrown(() => configure(upstash("https://redis.example"), {}, env));
    expect(error.code).toBe("TLS_VERIFICATION_REFUSED");
  });
});
