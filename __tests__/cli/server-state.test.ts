/** What the doctor says of a server that answers and is not well: on real servers in real trouble. */
import { describe, expect, it } from "@jest/globals";
import { mkdirSync } from "node:fs";
import { startRedis, until } from "../support/redis-server.ts";
import { visit } from "./visit.ts";

describe("the server's state", () => {
  it("fails on a replica", async () => {
    const master = await startRedis({ tcp: true });
    const replica = await startRedis({ args: ["--replicaof", `127.0.0.1 ${master.port}`] });
    const report = await visit({ REDIS_URL: replica.url });
    expect(report.find("topology")).toMatchObject({
      level: "failure",
      detail: "This server is a replica.",
      fix: expect.stringContaining("master"),
    });
    const behind = await visit({ REDIS_URL: master.url });
    await until(
      async () => (await master.client.info("replication")).includes("connected_slaves:1"),
      "the replica",
    );
    expect(behind.find("topology").level).toBe("ok");
  });

  it("warns of a Cluster's node behind a URL of one server", async () => {
    const redis = await startRedis({ tcp: true, args: ["--cluster-enabled", "yes"] });
    await redis.client.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("topology")).toMatchObject({
      level: "warning",
      fix: expect.stringContaining("commas"),
    });
  });

  it("judges every eviction policy by what the kit stores", async () => {
    const redis = await startRedis();
    const judged = async (policy: string, maxmemory: string) => {
      await redis.client.config("SET", "maxmemory-policy", policy);
      await redis.client.config("SET", "maxmemory", maxmemory);
      return (await visit({ REDIS_URL: redis.url })).find("eviction");
    };
    expect((await judged("noeviction", "100mb")).level).toBe("ok");
    expect((await judged("volatile-ttl", "100mb")).level).toBe("ok");
    expect(await judged("noeviction", "0")).toMatchObject({
      level: "note",
      detail: expect.stringContaining("maxmemory is not set"),
    });
    for (const policy of ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru"]) {
      expect(await judged(policy, "100mb")).toMatchObject({
        level: "warning",
        why: expect.stringContaining("signs that user out"),
        fix: expect.stringContaining("maxmemory-policy noeviction"),
      });
    }
  });

  it("warns of keys that were evicted, whatever the policy", async () => {
    const redis = await startRedis({ args: ["--maxmemory-policy", "volatile-ttl"] });
    await redis.client.config("SET", "maxmemory", "3mb");
    for (let n = 0; n < 60; n++) {
      await redis.client.set(`cache:big:${n}`, "x".repeat(100_000), "PX", 60_000 + n);
    }
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("eviction")).toMatchObject({
      level: "warning",
      detail: expect.stringMatching(/\d+ keys evicted so far/),
      fix: expect.stringContaining("Raise maxmemory"),
    });
    expect(report.find("memory")).toMatchObject({ level: "warning" });
  });

  it("fails where Redis is full and refuses writes", async () => {
    const redis = await startRedis({ args: ["--maxmemory-policy", "noeviction"] });
    await redis.client.set("cache:filler", "x".repeat(100_000), "PX", 60_000);
    await redis.client.config("SET", "maxmemory", "500kb");
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("memory")).toMatchObject({
      level: "failure",
      detail: expect.stringContaining("it refuses writes now"),
    });
  });

  it("fails where snapshots fail and stop writes", async () => {
    const redis = await startRedis({ args: ["--save", "3600 1"] });
    mkdirSync(`${redis.folder}/dump.rdb`); // A folder in the place of the file.
    await redis.client.bgsave();
    await until(
      async () => (await redis.client.info("persistence")).includes("rdb_last_bgsave_status:err"),
      "the snapshot fails",
    );
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("persistence")).toMatchObject({
      level: "failure",
      why: expect.stringContaining("MISCONF"),
    });
  });

  it("notes snapshots alone, and nothing at all", async () => {
    const snapshots = await startRedis({ args: ["--save", "3600 1"] });
    expect((await visit({ REDIS_URL: snapshots.url })).find("persistence")).toMatchObject({
      level: "note",
      detail: expect.stringContaining("save 3600 1"),
    });
    const nothing = await startRedis();
    expect((await visit({ REDIS_URL: nothing.url })).find("persistence")).toMatchObject({
      level: "note",
      detail: expect.stringContaining("signs everybody out"),
    });
  });

  it("warns of clocks that differ, in either direction, and gives the figure", async () => {
    const redis = await startRedis();
    const skewed = async (by: number) =>
      (await visit({ REDIS_URL: redis.url }, { now: () => Date.now() - by })).find("clocks");
    expect(await skewed(5000)).toMatchObject({
      level: "warning",
      detail: expect.stringMatching(/(4\d{3}|5\d{3}) ms ahead/),
    });
    expect(await skewed(-90_000)).toMatchObject({
      level: "warning",
      detail: expect.stringMatching(/(89|90)\.\d s behind/),
    });
    expect(await skewed(300)).toMatchObject({ level: "ok" });
  });

  it("warns of slow commands by name, never by their arguments", async () => {
    const redis = await startRedis({ args: ["--slowlog-log-slower-than", "100000"] });
    await redis.client.call("CONFIG", "SET", "slowlog-log-slower-than", "100000");
    await redis.client.eval(
      "local t = redis.call('TIME') local s = t[1]*1e6+t[2] repeat t = redis.call('TIME') until t[1]*1e6+t[2]-s > 200000",
      1,
      "session:11111111-2222-3333-4444-555555555555",
    );
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("slow-commands")).toMatchObject({
      level: "warning",
      detail: expect.stringMatching(/^\d in the last hour, slowest EVAL with \d+ ms/),
    });
    expect(report.text).not.toContain("11111111-2222");
  });

  it("warns where nearly all connections are taken", async () => {
    const redis = await startRedis();
    await redis.client.config("SET", "maxclients", "2");
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("clients")).toMatchObject({
      level: "warning",
      detail: expect.stringContaining("of 2"),
    });
  });
});
