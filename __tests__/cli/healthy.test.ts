/** What a healthy deployment of each kind is told. */
import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../support/certificates.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startRedis } from "../support/redis-server.ts";
import { startSentinel } from "../support/redis-sentinel.ts";
import { startRestEmulator } from "../support/rest-emulator.ts";
import { visit, type Visited } from "./visit.ts";

const ORDER = [
  "configuration",
  "production-rules",
  "session-secret",
  "connection",
  "encryption",
  "latency",
  "server",
  "topology",
  "permissions",
  "memory",
  "eviction",
  "time-to-live",
  "keys",
  "clocks",
  "persistence",
  "clients",
  "slow-commands",
];

function expectHealthy(report: Visited): void {
  expect(report.checks.filter(({ level }) => level === "failure" || level === "warning")).toEqual(
    [],
  );
  expect(report.ok).toBe(true);
}

describe("a healthy Redis", () => {
  it("passes every check on a unix socket, each told once, in a stable order", async () => {
    const redis = await startRedis({ args: ["--maxmemory", "100mb", "--appendonly", "yes"] });
    const report = await visit({ REDIS_URL: redis.url, NODE_ENV: "production" });
    expectHealthy(report);
    expect(report.checks.map(({ id }) => id)).toEqual(ORDER);
    expect(report.checks.map(({ level }) => level)).toEqual(ORDER.map(() => "ok"));
    expect(report.find("encryption").detail).toContain("unix socket");
    expect(report.find("eviction")).toMatchObject({ data: { policy: "noeviction" } });
    expect(report.find("persistence").detail).toBe("append-only file");
  });

  it("says what was chosen and by which variable", async () => {
    const redis = await startRedis({ tcp: true });
    const report = await visit(
      { REDIS_URL: redis.url },
      {
        options: { namespace: "shop", deadline: 500 },
        loaded: { origin: new Map([["REDIS_URL", ".env.local"]]), unreadable: [] },
      },
    );
    expect(report.find("configuration").detail).toBe(
      `${redis.url}/0 (from REDIS_URL in .env.local), namespace shop, deadline 500 ms, development`,
    );
    expect(report.find("encryption").detail).toContain("loopback");
    expect(report.find("clients").data).toMatchObject({
      parties: [{ name: "express-redis-kit", connections: 1, addresses: 1 }],
    });
  });

  it("says to whom the connection is encrypted", async () => {
    const authority = await createAuthority("Kit Doctor CA");
    const identity = await authority.issue("localhost", "127.0.0.1");
    const tls = { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile };
    const redis = await startRedis({ tls });
    const report = await visit(
      { REDIS_URL: `rediss://localhost:${redis.tlsPort}`, REDIS_CA: authority.ca },
      // mkcert's certificates of the tests end after two days.
      { now: () => Date.now() - 40 * 86_400_000 },
    );
    expect(report.find("encryption")).toMatchObject({
      level: "ok",
      detail: expect.stringMatching(
        /^TLSv1\.3 with TLS_\w+ to 'localhost', issued by 'Kit Doctor CA', valid from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d, verified$/,
      ),
    });
    authority.remove();
  });

  it("reaches the master through its Sentinels", async () => {
    const deployment = await startSentinel();
    const report = await visit({ REDIS_URL: deployment.url, NODE_ENV: "production" });
    expectHealthy(report);
    expect(report.find("topology").detail).toMatch(/^one master, \d replicas?$/);
    await deployment.stop();
  }, 60_000);

  it("looks at every master of a Cluster", async () => {
    const cluster = await startCluster({ masters: 3, replicas: 0 });
    const report = await visit({ REDIS_URL: cluster.url, NODE_ENV: "production" });
    expectHealthy(report);
    expect(report.find("topology").detail).toBe("Cluster of 3 masters, each answers, state ok");
    expect(report.find("permissions").detail).toMatch(/may run all \d+ commands/);
    await cluster.stop();
  }, 60_000);

  it("looks at Upstash over REST as far as it tells", async () => {
    const redis = await startRedis();
    const rest = await startRestEmulator({
      socketPath: redis.socketPath,
      tokens: ["rest-token-0123456789"],
    });
    const report = await visit({
      UPSTASH_REDIS_REST_URL: rest.url,
      UPSTASH_REDIS_REST_TOKEN: "rest-token-0123456789",
    });
    expectHealthy(report);
    expect(report.find("connection").detail).toContain("over REST");
    expect(report.find("topology").detail).toContain("over REST");
  });
});

describe("memory only", () => {
  it("is a note in development, and looks at nothing else", async () => {
    const report = await visit({});
    expect(report.ok).toBe(true);
    expect(report.checks.map(({ id, level }) => [id, level])).toEqual([
      ["configuration", "note"],
      ["session-secret", "ok"],
    ]);
  });

  it("is a failure in production, with the variables to set", async () => {
    const report = await visit({ NODE_ENV: "production" });
    expect(report.ok).toBe(false);
    expect(report.find("configuration")).toMatchObject({
      level: "failure",
      fix: expect.stringContaining("REDIS_URL=rediss://"),
      data: { code: "REDIS_NOT_CONFIGURED" },
    });
    expect(report.find("not-checked").detail).toContain("they need a configuration");
  });
});
