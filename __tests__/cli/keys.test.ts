/** What the doctor says of the keys: how many, how large, and which would stay for ever. */
import { describe, expect, it } from "@jest/globals";
import { disguise } from "../../src/cli/keyspace.ts";
import { keyKinds, namespaceOf } from "../../src/keys.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startRedis } from "../support/redis-server.ts";
import { visit } from "./visit.ts";

const ID = "550e8400-e29b-41d4-a716-446655440000";

describe("keys", () => {
  it("counts and weighs by prefix, foreign ones too, and names the largest", async () => {
    const redis = await startRedis();
    await redis.client.set(`session:${ID}`, "{}", "PX", 60_000);
    await redis.client.set("ratelimit:api:192.168.1.1", "1", "PX", 60_000);
    await redis.client.set("cache:brand:456:settings", "x".repeat(50_000), "PX", 60_000);
    await redis.client.sadd("user:123:sessions", ID);
    await redis.client.pexpire("user:123:sessions", 60_000);
    await redis.client.set("user:123:profile", "not the kit's");
    await redis.client.set("bull:queue", "{}");
    const { data, detail, level } = (await visit({ REDIS_URL: redis.url })).find("keys");
    expect(level).toBe("ok");
    expect(detail).toMatch(/^6 keys: ratelimit 1 .*session 1 .*user 1 .*cache 1 .*others\//);
    expect(detail).toMatch(/largest cache:brand:#[0-9a-f]{8} \(\d+(\.\d)? KiB\)$/);
    const groups = data["groups"] as { name: string; keys: number; bytes: number }[];
    expect(Object.fromEntries(groups.map(({ name, keys }) => [name, keys]))).toEqual({
      ratelimit: 1,
      session: 1,
      user: 1,
      cache: 1,
      "others/user": 1,
      "others/bull": 1,
    });
    expect(groups.find(({ name }) => name === "cache")!.bytes).toBeGreaterThan(50_000);
  });

  it("fails on keys of the kit without a TTL, with examples that tell no id", async () => {
    const redis = await startRedis();
    for (let n = 0; n < 7; n++) await redis.client.set(`session:${ID.slice(0, -1)}${n}`, "{}");
    await redis.client.set("ratelimit:auth:10.0.0.1:ada@example.com", "-1");
    await redis.client.set("other:thing", "x");
    const report = await visit({ REDIS_URL: redis.url });
    const finding = report.find("time-to-live");
    expect(finding).toMatchObject({
      level: "failure",
      detail: expect.stringMatching(/^8 keys of the kit will never go away: /),
      data: { without: 8, foreignWithout: 1 },
    });
    expect(finding.data["examples"]).toHaveLength(5);
    expect(report.text).not.toMatch(/550e8400|10\.0\.0\.1|ada@/);
    expect(report.ok).toBe(false);
  });

  it("looks only at its namespace, and says where keys of another one are", async () => {
    const redis = await startRedis();
    await redis.client.set(`shop:session:${ID}`, "{}");
    const without = await visit({ REDIS_URL: redis.url });
    expect(without.find("time-to-live").level).toBe("ok");
    expect(without.find("keys")).toMatchObject({
      level: "note",
      detail: expect.stringContaining("--namespace shop"),
    });
    const within = await visit({ REDIS_URL: redis.url }, { options: { namespace: "shop" } });
    expect(within.find("time-to-live").level).toBe("failure");
    expect(within.find("keys").level).toBe("ok");
  });

  it("samples where there are many, and says so", async () => {
    const redis = await startRedis();
    await redis.client.call("DEBUG", "SET-ACTIVE-EXPIRE", "1").catch(() => undefined);
    const batch = redis.client.pipeline();
    for (let n = 0; n < 12_000; n++) batch.set(`cache:item:${n}`, "x", "PX", 600_000);
    await batch.exec();
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("keys")).toMatchObject({
      level: "ok",
      detail: expect.stringMatching(/^a sample of [\d,]+ of 12,000 keys: cache /),
      data: { complete: false, total: 12_000 },
    });
    expect(report.find("time-to-live").detail).toContain("of the sample");
  });

  it("looks at all masters of a Cluster", async () => {
    const cluster = await startCluster({ masters: 3, replicas: 0 });
    for (let n = 0; n < 30; n++) {
      const node = await cluster.masterOf(`session:${n}`);
      await node.client.set(`session:${n}`, "{}");
    }
    const report = await visit({ REDIS_URL: cluster.url });
    expect(report.find("time-to-live").data).toMatchObject({ keys: 30, without: 30 });
    await cluster.stop();
  }, 60_000);

  it("names a key by its prefix and a hash, never by what an id could be read from", () => {
    const kinds = keyKinds("shop");
    const shown = (key: string) =>
      disguise(
        key,
        kinds.find((kind) => kind.holds(key)),
      );
    expect(shown(`shop:session:${ID}`)).toMatch(/^shop:session:#[0-9a-f]{8}$/);
    expect(shown("shop:user:ada:sessions")).toMatch(/^shop:user:#[0-9a-f]{8}$/);
    expect(shown("shop:ratelimit:api:1.2.3.4")).toMatch(/^shop:ratelimit:api:#[0-9a-f]{8}$/);
    expect(shown("shop:cache:brand:456")).toMatch(/^shop:cache:brand:#[0-9a-f]{8}$/);
    expect(shown("bull:queue:7")).toMatch(/^bull:#[0-9a-f]{8}$/);
    expect(shown(ID)).toMatch(/^#[0-9a-f]{8}$/);
    expect(shown(`${ID}:x`)).toMatch(/^#[0-9a-f]{8}:#[0-9a-f]{8}$/);
  });

  it("knows the kinds of a namespace, and the namespace of a key", () => {
    const [, , user] = keyKinds("");
    expect(user!.holds(user!.example("7"))).toBe(true);
    expect(user!.holds("user:7:profile")).toBe(false);
    expect(keyKinds("a").every((kind) => namespaceOf(kind.example("x")) === "a")).toBe(true);
    expect(namespaceOf("session:x")).toBeUndefined();
    expect(namespaceOf("user:7:profile")).toBeUndefined();
  });
});
