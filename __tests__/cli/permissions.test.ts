/** What the doctor says of a user's rights, asked of the server or tried. */
import { describe, expect, it } from "@jest/globals";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { startRestEmulator } from "../support/rest-emulator.ts";
import { visit } from "./visit.ts";

const KEYS = ["~ratelimit:*", "~session:*", "~user:*:sessions", "~cache:*", "&cache:*"];
const COMMANDS =
  "+get +getrange +mget +set +setrange +del +pttl +pexpire +incr +decr +sadd +srem +smembers +sismember +scard +scan +evalsha +eval +time +ping +info +publish +subscribe +unsubscribe +client|setname";

async function withUser(...rights: string[]): Promise<{ redis: RedisServer; url: string }> {
  const redis = await startRedis({ tcp: true });
  await redis.client.call(
    "ACL",
    "SETUSER",
    "app",
    "on",
    ">app-password",
    "resetchannels",
    ...rights,
  );
  return { redis, url: redis.url.replace("//", "//app:app-password@") };
}

/** Both ways: with the right to ask ACL DRYRUN, and by trying. */
describe.each([
  ["asked", ["+acl|dryrun", "+acl|whoami"], "ACL DRYRUN"],
  ["tried", [], "trying"],
] as const)("rights, %s", (_, more, method) => {
  it("finds nothing amiss with the rights of the README", async () => {
    const { url, redis } = await withUser(...KEYS, ...COMMANDS.split(" "), ...more);
    const finding = (await visit({ REDIS_URL: url })).find("permissions");
    expect(finding).toMatchObject({ level: "ok", data: { user: "app", method, untried: [] } });
    expect(await redis.client.dbsize()).toBe(0);
  });

  it("names the missing command, and the line that mends it does", async () => {
    const rights = [...KEYS, ...COMMANDS.split(" "), ...more, "-sadd", "-incr", "-smembers"];
    const { url, redis } = await withUser(...rights);
    const finding = (await visit({ REDIS_URL: url })).find("permissions");
    expect(finding).toMatchObject({
      level: "failure",
      data: { method, commands: ["INCR", "SADD", "SMEMBERS"].toSorted(), patterns: [] },
    });
    const [line] = /ACL SETUSER [^(]+/.exec(finding.fix!)!;
    expect(line.trim()).toBe("ACL SETUSER app +incr +sadd +smembers");
    await redis.client.call(...(line.trim().split(" ") as [string]));
    expect((await visit({ REDIS_URL: url })).find("permissions").level).toBe("ok");
  });

  it("names the missing keys, in the namespace", async () => {
    const keys = ["~shop:session:*", "~shop:ratelimit:*", "~shop:user:*:sessions"];
    const { url } = await withUser(...keys, ...COMMANDS.split(" "), ...more);
    const report = await visit({ REDIS_URL: url }, { options: { namespace: "shop" } });
    const finding = report.find("permissions");
    expect(finding).toMatchObject({
      level: "failure",
      data: { method, commands: [], patterns: ["shop:cache:*"] },
    });
    expect(finding.fix).toContain("ACL SETUSER app ~shop:cache:*");
  });

  it("names the missing channels, and the line that mends it does", async () => {
    // A namespace whose name is what a refusal is told by.
    const keys = KEYS.map((pattern) => `${pattern[0]}channel:${pattern.slice(1)}`).slice(0, 4);
    const { url, redis } = await withUser(...keys, ...COMMANDS.split(" "), ...more);
    const look = async () =>
      (await visit({ REDIS_URL: url }, { options: { namespace: "channel" } })).find("permissions");
    const finding = await look();
    expect(finding).toMatchObject({
      level: "failure",
      data: { method, commands: [], patterns: [], channels: ["channel:cache:*"] },
    });
    const [line] = /ACL SETUSER [^(]+/.exec(finding.fix!)!;
    expect(line.trim()).toBe("ACL SETUSER app &channel:cache:*");
    await redis.client.call(...(line.trim().split(" ") as [string]));
    expect((await look()).level).toBe("ok");
  });

  it("notes what goes without the right to listen", async () => {
    const rights = [...COMMANDS.split(" "), ...more, "-subscribe", "-unsubscribe"];
    const { url } = await withUser(...KEYS, ...rights);
    const finding = (await visit({ REDIS_URL: url })).find("permissions");
    expect(finding).toMatchObject({ level: "note", data: { method, untried: [] } });
    expect(finding.detail).toContain("but SUBSCRIBE, UNSUBSCRIBE: cache({ memory }) keeps nothing");
  });

  it("cannot tell the rest for a user with no more rights than the kit needs", async () => {
    const { url, redis } = await withUser(...KEYS, ...COMMANDS.split(" "), ...more);
    await redis.client.set("cache:brand:456", "x", "PX", 60_000);
    const report = await visit({ REDIS_URL: url });
    expect(report.ok).toBe(true);
    expect(report.find("slow-commands")).toMatchObject({
      level: "note",
      detail: "cannot tell: this user may not run SLOWLOG GET",
      data: { cannotTell: true },
    });
    expect(report.find("keys").detail).toContain("cannot tell sizes");
  });
});

describe("rights", () => {
  it("finds commands that were renamed away", async () => {
    const redis = await startRedis({ args: ["--rename-command", "SMEMBERS", ""] });
    const finding = (await visit({ REDIS_URL: redis.url })).find("permissions");
    expect(finding).toMatchObject({ level: "failure", data: { unknown: ["SMEMBERS"] } });
    expect(finding.fix).toContain("rename-command");
  });

  it("needs neither INFO nor CONFIG nor ACL to give a verdict", async () => {
    const { url } = await withUser(...KEYS, ...COMMANDS.split(" "), "-info", "-ping");
    const report = await visit({ REDIS_URL: url });
    for (const id of ["server", "topology", "memory", "eviction", "persistence", "clients"]) {
      expect(report.find(id)).toMatchObject({ level: "note", data: { cannotTell: true } });
    }
    expect(report.find("permissions").data["commands"]).toEqual(["INFO", "PING"]);
  });

  it("does not try to listen where that would be the connection's last command", async () => {
    const redis = await startRedis({
      args: ["--rename-command", "HELLO", "", "--rename-command", "ACL", ""],
    });
    const report = await visit({ REDIS_URL: redis.url });
    expect(report.find("permissions")).toMatchObject({
      level: "note",
      data: { method: "trying", untried: ["SUBSCRIBE", "UNSUBSCRIBE"] },
    });
    expect(await redis.client.info("commandstats")).not.toMatch(/subscribe/);
    expect(report.find("keys").level).toBe("ok");
  });

  it("tries every command over REST", async () => {
    const redis = await startRedis({ args: ["--rename-command", "SADD", ""] });
    const token = "rest-token-0123456789";
    const rest = await startRestEmulator({ socketPath: redis.socketPath, tokens: [token] });
    const report = await visit({
      UPSTASH_REDIS_REST_URL: rest.url,
      UPSTASH_REDIS_REST_TOKEN: token,
    });
    expect(report.find("permissions")).toMatchObject({
      level: "failure",
      data: { unknown: ["SADD"] },
    });
  });
});
