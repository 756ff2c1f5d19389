/** Starts of deployments of several servers that go wrong: the cause is told once, and the kit heals. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { RedisOptions } from "../../src/config/redis-options.ts";
import { createAuthority } from "../support/certificates.ts";
import { openWatched, rejection, type Watched } from "../support/connections.ts";
import { lastingPort } from "../support/ports.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type SentinelDeployment, startSentinel } from "../support/redis-sentinel.ts";
import { startRedis, until } from "../support/redis-server.ts";
import { kitConnections } from "../support/server-group.ts";

const PASSWORD = "data-s3cret";
const SENTINEL_PASSWORD = "sentinel-s3cret";

const codes = ({ errors }: Watched): string[] => errors.map(({ code }) => code);

/** Waits for the state, and for the connection to have tried a few times more. */
async function expectHealed({ connection }: Watched): Promise<void> {
  await until(() => connection.state().state === "ready", "it heals");
  await connection.set("k", "1", { ttl: 1000 });
  expect(connection.state().problem).toBeUndefined();
}

describe("Sentinel", () => {
  let deployment: SentinelDeployment;
  beforeAll(async () => {
    deployment = await startSentinel({ password: PASSWORD, sentinelPassword: SENTINEL_PASSWORD });
  }, 30_000);
  afterAll(() => deployment.stop());
  const open = (redis: Partial<RedisOptions> = {}): Watched =>
    openWatched({
      redis: { url: deployment.url, sentinelPassword: SENTINEL_PASSWORD, ...redis },
    });

  it("a master of another name: SENTINEL_UNKNOWN_MASTER, which names it", async () => {
    const watched = open({ url: deployment.url.replace("mymaster", "mymatser") });
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "SENTINEL_UNKNOWN_MASTER", outcome: "notSent" });
    expect(error.message).toContain("'mymatser'");
    expect(error.message).not.toContain(PASSWORD);
    await expect(watched.connection.get("k")).rejects.toMatchObject({
      code: "SENTINEL_UNKNOWN_MASTER",
    });
    expect(codes(watched)).toEqual(["SENTINEL_UNKNOWN_MASTER"]);
  });

  it.each<[string, Partial<RedisOptions>]>([
    ["a wrong password for the Sentinels", { sentinelPassword: "wr0ng" }],
    ["a user that the Sentinels do not have", { sentinelUsername: "nobody" }],
  ])("%s: REDIS_AUTH_FAILED, which speaks of them", async (_name, redis) => {
    const watched = open(redis);
    const error = await rejection(watched.connection.ready());
    expect(error.code).toBe("REDIS_AUTH_FAILED");
    expect(`${error.message} ${error.fix}`).toMatch(/sentinel/i);
    expect(`${error.message} ${String(error.cause)}`).not.toContain("wr0ng");
    expect(codes(watched)).toEqual(["REDIS_AUTH_FAILED"]);
  });

  it("no password for the Sentinels: REDIS_AUTH_FAILED, and the fix names the option", async () => {
    const watched = openWatched({ redis: deployment.url });
    const error = await rejection(watched.connection.ready());
    expect(error.code).toBe("REDIS_AUTH_FAILED");
    expect(error.fix).toContain("sentinelPassword");
    expect(codes(watched)).toEqual(["REDIS_AUTH_FAILED"]);
  });

  it("a wrong password for the master: REDIS_AUTH_FAILED", async () => {
    const watched = open({ url: deployment.url.replace(PASSWORD, "wr0ng") });
    const error = await rejection(watched.connection.ready());
    expect(error.code).toBe("REDIS_AUTH_FAILED");
    expect(codes(watched)).toEqual(["REDIS_AUTH_FAILED"]);
  });

  it("Sentinels of which the first is dead, and the second is no Sentinel: the third is asked", async () => {
    const [port, other] = [await lastingPort(), await startRedis({ tcp: true })];
    const third = deployment.sentinels[2]!;
    const watched = open({
      url: `redis+sentinel://:${PASSWORD}@127.0.0.1:${port},127.0.0.1:${other.port},127.0.0.1:${third.port}/mymaster`,
    });
    await watched.connection.ready();
    await watched.connection.ping();
    expect(watched.errors).toEqual([]);
    await other.stop();
  });

  it("Sentinels that are all dead: REDIS_UNAVAILABLE, and it heals when one is back", async () => {
    for (const sentinel of deployment.sentinels) await deployment.kill(sentinel, "SIGKILL");
    const watched = open();
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    await deployment.restart(deployment.sentinels[1]!);
    await expectHealed(watched);
    expect(codes(watched)).toEqual(["REDIS_UNAVAILABLE"]);
    for (const n of [0, 2]) await deployment.restart(deployment.sentinels[n]!);
  });
});

describe("a server that the deployment names, but production may not reach in plaintext", () => {
  it("behind a Sentinel is refused before any connection", async () => {
    const config = "sentinel monitor mymaster 192.0.2.1 6379 1";
    const port = await lastingPort();
    const sentinel = await startRedis({ config, args: ["--port", String(port), "--sentinel"] });
    const watched = openWatched({ redis: `redis+sentinel://127.0.0.1:${port}/mymaster` });
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "PLAINTEXT_REFUSED", outcome: "notSent" });
    expect(error.message).toContain("192.0.2.1");
    expect(codes(watched)).toEqual(["PLAINTEXT_REFUSED"]);
    await sentinel.stop();
  });

  it("in a Cluster is refused before any connection", async () => {
    const cluster = await startCluster({
      masters: 1,
      replicas: 0,
      args: ["--cluster-announce-ip", "192.0.2.1"],
    });
    const { port } = cluster.nodes[0]!;
    const watched = openWatched({ redis: `redis://127.0.0.1:${port},127.0.0.1:${port}` });
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "PLAINTEXT_REFUSED", outcome: "notSent" });
    expect(error.message).toContain("192.0.2.1");
    expect(codes(watched)).toEqual(["PLAINTEXT_REFUSED"]);
    await cluster.stop();
  });
});

describe("a Cluster", () => {
  let cluster: RedisCluster;
  const others: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    cluster = await startCluster({ replicas: 0, password: PASSWORD });
  }, 30_000);
  afterEach(async () => {
    for (const stop of others.splice(0)) await stop();
  });
  afterAll(() => cluster.stop());

  it("of which the first seed is dead, and the second frozen: the third is asked", async () => {
    const third = cluster.nodes[2]!;
    const [dead, frozen] = [await lastingPort(), await startRedis({ tcp: true })];
    others.push(() => frozen.stop());
    frozen.kill("SIGSTOP");
    const watched = openWatched({
      redis: `redis://:${PASSWORD}@127.0.0.1:${dead},127.0.0.1:${frozen.port},127.0.0.1:${third.port}`,
    });
    await expectHealed(watched);
    await until(
      async () => (await Promise.all(cluster.nodes.map(kitConnections))).join() === "1,1,1",
      "one connection to each",
    );
  });

  it.each([
    ["a wrong password", `:wr0ng@`],
    ["no password", ""],
  ])("with %s: REDIS_AUTH_FAILED, once", async (_name, login) => {
    const watched = openWatched({ redis: cluster.url.replace(`:${PASSWORD}@`, login) });
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "REDIS_AUTH_FAILED", outcome: "notSent" });
    expect(error.message).not.toContain("wr0ng");
    await rejection(watched.connection.get("k"));
    expect(codes(watched)).toEqual(["REDIS_AUTH_FAILED"]);
  });

  it("that is none: says that the server is no Cluster", async () => {
    const server = await startRedis({ tcp: true });
    others.push(() => server.stop());
    const watched = openWatched({ redis: `${server.url},127.0.0.1:${server.port}` });
    const error = await rejection(watched.connection.ready());
    expect(error.message).toMatch(/cluster support disabled/);
    expect((await rejection(watched.connection.del("k"))).outcome).toBe("notSent");
    expect(watched.errors).toHaveLength(1);
  });

  it("that is not there yet: REDIS_UNAVAILABLE, and it heals", async () => {
    for (const node of cluster.nodes) await cluster.kill(node, "SIGKILL");
    const watched = openWatched({ redis: cluster.url });
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    for (const node of cluster.nodes) await cluster.restart(node);
    await cluster.waitForOk();
    await expectHealed(watched);
    expect(codes(watched)).toEqual(["REDIS_UNAVAILABLE"]);
  });

  it("with a certificate of a foreign authority: TLS_CERTIFICATE_REJECTED, once", async () => {
    const [own, foreign] = await Promise.all([createAuthority(), createAuthority("Foreign CA")]);
    const { certFile, keyFile } = await own.issue("127.0.0.1");
    const secured = await startCluster({
      replicas: 0,
      tls: { ca: own.caFile, cert: certFile, key: keyFile },
    });
    others.push(async () => {
      await secured.stop();
      own.remove();
      foreign.remove();
    });
    const watched = openWatched({ redis: { url: secured.url, ca: foreign.ca } });
    const error = await rejection(watched.connection.ready());
    expect(error).toMatchObject({ code: "TLS_CERTIFICATE_REJECTED", outcome: "notSent" });
    expect(codes(watched)).toEqual(["TLS_CERTIFICATE_REJECTED"]);
  });
});
