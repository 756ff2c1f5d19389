import { describe, expect, it } from "@jest/globals";
import { openWatched } from "../support/connections.ts";
import { listen } from "../support/listening.ts";
import { makeKit, createLog, type Log } from "../support/kit.ts";
import { freePort, startRedis, until } from "../support/redis-server.ts";

/** Nothing that the machine running the tests may have set. */
const BARE: Record<string, string | undefined> = {
  NODE_ENV: "development",
  REDIS_URL: undefined,
  REDIS_TOKEN: undefined,
  UPSTASH_REDIS_REST_URL: undefined,
  UPSTASH_REDIS_REST_TOKEN: undefined,
  KV_REST_API_URL: undefined,
  KV_REST_API_TOKEN: undefined,
  SESSION_SECRET: undefined,
  SKIP_REDIS_WARNING: undefined,
};

const alarms = (log: Log): string[] => log.lines.filter((line) => !line.startsWith("info"));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A kit whose start is over: the connection is decided, and its notices are written. */
async function startKit(
  env: Record<string, string | undefined>,
  redis?: string,
): Promise<{ log: Log; health: string }> {
  const log = createLog();
  const kit = makeKit({ logger: log, ...(redis !== undefined && { redis }) }, { ...BARE, ...env });
  kit.session();
  await kit.ready();
  for (let turns = 0; turns < 5; turns++) await turn();
  return { log, health: (await kit.health()).status };
}

describe("development with nothing configured", () => {
  it("warns once, of the memory and of the made-up secret together", async () => {
    const { log, health } = await startKit({});
    expect(health).toBe("memory");
    expect(alarms(log)).toEqual([expect.stringMatching(/^warn .*memory.*SESSION_SECRET/s)]);
    expect(alarms(log)[0]).toContain("REDIS_URL");
    expect(alarms(log)[0]).toContain("SKIP_REDIS_WARNING=true");
  });

  it("says nothing of the secret where there is one", async () => {
    const { log } = await startKit({ SESSION_SECRET: "mine" });
    expect(alarms(log)).toEqual([expect.not.stringContaining("SESSION_SECRET")]);
  });

  it("is silent with SKIP_REDIS_WARNING=true", async () => {
    const { log } = await startKit({ SKIP_REDIS_WARNING: "true" });
    expect(log.lines).toEqual([]);
  });

  it("is silent under NODE_ENV=test", async () => {
    const { log, health } = await startKit({ NODE_ENV: "test" });
    expect(health).toBe("memory");
    expect(log.lines).toEqual([]);
  });
});

describe("development with a Redis that is not there", () => {
  it("goes on in memory, with one warning that says where and why", async () => {
    const port = await freePort();
    const { log, health } = await startKit({ SESSION_SECRET: "s" }, `redis://127.0.0.1:${port}`);
    expect(health).toBe("memory");
    expect(alarms(log)).toHaveLength(1);
    expect(alarms(log)[0]).toMatch(/^warn /);
    expect(alarms(log)[0]).toContain(`127.0.0.1:${port}`);
    expect(alarms(log)[0]).toContain("ECONNREFUSED");
    expect(alarms(log)[0]).toContain("memory");
  });

  it("combines that with the made-up secret in one warning", async () => {
    const { log } = await startKit({}, `redis://127.0.0.1:${await freePort()}`);
    expect(alarms(log)).toEqual([
      expect.stringMatching(/ECONNREFUSED.*SESSION_SECRET|SESSION_SECRET.*ECONNREFUSED/s),
    ]);
  });

  it("does not warn with SKIP_REDIS_WARNING=true", async () => {
    const env = { SKIP_REDIS_WARNING: "true" };
    const { log, health } = await startKit(env, `redis://127.0.0.1:${await freePort()}`);
    expect(health).toBe("memory");
    expect(alarms(log)).toEqual([]);
  });

  it("warns under NODE_ENV=test too: a suite that asked for Redis must not pass without a word", async () => {
    const env = { NODE_ENV: "test" };
    const { log, health } = await startKit(env, `redis://127.0.0.1:${await freePort()}`);
    expect(health).toBe("memory");
    expect(alarms(log)).toEqual([expect.stringContaining("ECONNREFUSED")]);
  });

  it("never prints the password of its URL", async () => {
    const { log } = await startKit({}, `redis://u:hunter2@127.0.0.1:${await freePort()}`);
    expect(log.lines.join("\n")).not.toContain("hunter2");
  });

  it("takes commands before it has decided, and answers them from memory", async () => {
    const redis = `redis://127.0.0.1:${await freePort()}`;
    const { connection, errors, fallbacks } = openWatched({ redis }, { NODE_ENV: "development" });
    await expect(connection.set("k", "v", { ttl: 10_000 })).resolves.toBe(true);
    await expect(connection.get("k")).resolves.toBe("v");
    expect(connection.state().kind).toBe("memory");
    expect(fallbacks.map((why) => why.code)).toEqual(["REDIS_UNAVAILABLE"]);
    expect(errors).toEqual([]);
  });
});

describe("development with a Redis that refuses the password", () => {
  it("says that in its one warning, and not the password", async () => {
    const server = await startRedis({ tcp: true, args: ["--requirepass", "right"] });
    try {
      const url = `redis://:hunter2@127.0.0.1:${server.port}`;
      const { log, health } = await startKit({ SESSION_SECRET: "s" }, url);
      expect(health).toBe("memory");
      expect(alarms(log)).toEqual([expect.stringContaining("REDIS_AUTH_FAILED")]);
      expect(log.lines.join("\n")).not.toContain("hunter2");
    } finally {
      await server.stop();
    }
  });
});

describe("development with a Redis that answers", () => {
  it("uses it, says where it is, and warns of nothing", async () => {
    const server = await startRedis({ tcp: true });
    try {
      const { log, health } = await startKit({ SESSION_SECRET: "s" }, server.url);
      expect(health).toBe("ok");
      expect(log.lines).toEqual([expect.stringMatching(/^info .*redis:\/\/127\.0\.0\.1/)]);
    } finally {
      await server.stop();
    }
  });

  it("does not fall back once it has been ready, but reports the loss", async () => {
    const server = await startRedis({ tcp: true });
    try {
      const log = createLog();
      const kit = makeKit({ redis: server.url, logger: log }, { ...BARE, SESSION_SECRET: "s" });
      await kit.ready();
      server.kill("SIGKILL");
      await until(() => alarms(log).length > 0, "the loss is reported");
      expect((await kit.health()).status).toBe("down");
      expect(alarms(log)).toEqual([expect.stringMatching(/^error .*REDIS_UNAVAILABLE/)]);
    } finally {
      await server.stop();
    }
  });
});

describe("whether values are carried as text", () => {
  it.each([
    ["an http address", "http", true],
    ["a redis address", "redis", false],
  ])("is known of %s before memory takes over, and stays", async (_name, scheme, isTextOnly) => {
    const url = `${scheme}://127.0.0.1:${await freePort()}`;
    const { connection, fallbacks } = openWatched({ redis: { url, token: "t" } }, BARE);
    expect(connection.isTextOnly()).toBe(isTextOnly);
    const bytes = Buffer.from([0, 255, 128]);
    // Asked before the decision: what is written and read is the same on either.
    await connection.set("k", bytes, { ttl: 60_000 });
    expect(await connection.mgetBytes(["k", "none"])).toEqual([bytes, null]);
    expect(fallbacks).toHaveLength(1);
    expect(connection.state().kind).toBe("memory");
    expect(connection.isTextOnly()).toBe(isTextOnly);
  });
});

describe("messages that are listened to before it is decided", () => {
  it("come in memory where memory takes over, and not to who has left", async () => {
    const redis = `redis://127.0.0.1:${await freePort()}`;
    const { connection } = openWatched({ redis }, BARE);
    const [stayer, leaver] = [listen(connection), listen(connection)];
    leaver.leave();
    await connection.push!.publish("news", "1");
    expect(connection.state().kind).toBe("memory");
    const late = listen(connection);
    await connection.push!.publish("news", "2");
    stayer.leave();
    await connection.push!.publish("news", "3");
    expect(stayer.told).toEqual(["subscribed", ">1", ">2"]);
    expect(late.told).toEqual(["subscribed", ">2", ">3"]);
    expect(leaver.told).toEqual([]);
  });

  it("come from Redis where it answers", async () => {
    const server = await startRedis({ tcp: true });
    const { connection } = openWatched({ redis: server.url }, BARE);
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    expect(await server.client.publish("news", "1")).toBe(1);
    await until(() => listening.messages().length === 1, "it is heard");
    await server.stop();
    await until(() => !listening.isSubscribed(), "the loss is told");
  });

  it("are none where the address is that of REST, in memory too", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { connection } = openWatched({ redis: { url, token: "t" } }, BARE);
    expect(connection.push).toBeUndefined();
    await connection.set("k", "v", { ttl: 60_000 });
    expect(connection.state().kind).toBe("memory");
    expect(connection.push).toBeUndefined();
  });
});
