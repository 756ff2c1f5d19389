import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openWatched } from "../support/connections.ts";
import { until } from "../support/redis-server.ts";
import { startTwoWays, TRANSPORTS, type TwoWays } from "../support/two-ways.ts";

let ways: TwoWays;
beforeAll(async () => {
  ways = await startTwoWays();
});
beforeEach(() => ways.renew());
afterAll(() => ways.stop());

describe.each(TRANSPORTS)("idleTimeout, over %s", (transport) => {
  const set = { ttl: 60_000 };

  it("closes the connection after the last command, and the next one opens it again", async () => {
    const { connection, errors } = openWatched({ ...ways.options(transport), idleTimeout: 50 });
    for (let round = 0; round < 3; round++) {
      expect(await connection.set(`key${round}`, "value", set)).toBe(true);
      await until(() => connection.state().state === "idle", "the connection is idle");
      await until(
        async () => (await ways.connections()).length === 0,
        "the server sees no connection",
      );
    }
    expect(ways.proxy(transport).accepted()).toBe(3);
    expect(errors).toEqual([]);
  });

  it("opens one connection for all commands of the request that wakes it", async () => {
    const { connection } = openWatched({ ...ways.options(transport), idleTimeout: 50 });
    await connection.ping();
    await until(() => connection.state().state === "idle", "the connection is idle");
    const all = Array.from({ length: 50 }, (_, n) => connection.set(`key${n}`, "value", set));
    expect(await Promise.all(all)).toEqual(all.map(() => true));
    expect(ways.proxy(transport).accepted()).toBe(2);
  });

  it("waits for the answers that are owed", async () => {
    const proxy = ways.proxy(transport);
    const { connection } = openWatched({
      ...ways.options(transport),
      idleTimeout: 20,
      deadline: 2000,
    });
    await connection.ping();
    proxy.holdAnswers();
    const outcome = connection.set("key", "value", set);
    await delay(200);
    proxy.release();
    expect(await outcome).toBe(true);
    expect(proxy.accepted()).toBe(1);
    await until(() => connection.state().state === "idle", "the connection is idle");
  });

  it("fails no command, whenever it comes", async () => {
    const { connection, errors } = openWatched({ ...ways.options(transport), idleTimeout: 1 });
    for (let round = 0; round < 150; round++) {
      const outcomes = Array.from({ length: 1 + (round % 3) }, (_, n) =>
        connection.set(`key${n}`, "value", set),
      );
      expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => true));
      if (round % 2 === 0) await delay(round % 5);
      else for (let turn = 0; turn < round % 20; turn++) await nextTurn();
    }
    expect(errors).toEqual([]);
    expect(ways.proxy(transport).accepted()).toBeGreaterThan(1);
  });

  it("comes back where the server was away for longer than the idle time", async () => {
    const { connection } = openWatched({ ...ways.options(transport), idleTimeout: 100 });
    await connection.ping();
    ways.redis.kill("SIGKILL");
    await until(() => connection.state().state !== "ready", "the loss is noticed");
    await delay(300);
    await ways.redis.restart();
    const write = () => connection.set("key", "value", set).catch(() => false);
    await until(write, "a command succeeds");
  });

  it("comes back where an attempt to connect hung for longer than the idle time", async () => {
    const proxy = ways.proxy(transport);
    const { connection } = openWatched({ ...ways.options(transport), idleTimeout: 100 });
    await connection.ping();
    proxy.cut();
    proxy.blackHole();
    await until(() => proxy.accepted() === 2, "another connection");
    await delay(300);
    proxy.release();
    const write = () => connection.set("key", "value", set).catch(() => false);
    await until(write, "a command succeeds");
  });

  it("works where the platform's waitUntil throws, as some do outside of a request", async () => {
    const waitUntil = (): void => {
      throw new Error("called outside of a request");
    };
    const { connection, errors } = openWatched({
      ...ways.options(transport),
      waitUntil,
      idleTimeout: 50,
    });
    for (let round = 0; round < 2; round++) {
      expect(await connection.set("key", "value", set)).toBe(true);
      await until(() => connection.state().state === "idle", "the connection is idle");
    }
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(["WAIT_UNTIL_FAILED"]));
  });

  it.each([
    ["while it is idle", (): void => {}],
    ["while it is being opened again", (ping: () => unknown): void => void ping()],
  ])("closes %s, and stays closed", async (_when, before) => {
    const { connection } = openWatched({ ...ways.options(transport), idleTimeout: 20 });
    const ping = () => connection.ping().catch((error: unknown) => error);
    await ping();
    await until(() => connection.state().state === "idle", "the connection is idle");
    const proxy = ways.proxy(transport);
    before(ping);
    await connection.close();
    expect(await ping()).toMatchObject({ code: "KIT_CLOSED" });
    await expect(connection.ready()).rejects.toMatchObject({ code: "KIT_CLOSED" });
    expect(connection.state().state).toBe("closed");
    await until(async () => (await ways.connections()).length === 0, "the server sees none");
    await delay(100); // Longer than the first pause between attempts to connect.
    expect(proxy.open()).toBe(0);
    expect(proxy.accepted()).toBeLessThanOrEqual(2);
  });
});
