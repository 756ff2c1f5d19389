import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { openWatched } from "../support/connections.ts";
import { endPausables, type Pausable, startPausable } from "../support/pausable.ts";
import { until } from "../support/redis-server.ts";
import { startTwoWays, type Transport, TRANSPORTS, type TwoWays } from "../support/two-ways.ts";

let ways: TwoWays;
beforeAll(async () => {
  ways = await startTwoWays();
});
beforeEach(() => ways.renew());
afterEach(endPausables);
afterAll(() => ways.stop());

const written = (key: string) => ({ key, isWritten: true });

describe.each(TRANSPORTS)("a process that is paused, over %s", (transport) => {
  /** A process that has been connected. */
  const start = async (options: KitOptions = {}): Promise<Pausable> => {
    const paused = startPausable({ ...ways.options(transport), ...options });
    expect(await paused.write({ key: "first" })).toEqual(written("first"));
    return paused;
  };
  /** What happens to the connection meanwhile. */
  const losses: Record<string, () => Promise<void>> = {
    "the server closes its connection": async () => {
      const [id] = await ways.connections();
      await ways.redis.client.client("KILL", "ID", id!);
      await until(() => ways.proxy(transport).open() === 0, "the proxy has passed it on");
    },
    "a proxy ends its connection": async () => ways.proxy(transport).cut("end"),
    "a proxy resets its connection": async () => ways.proxy(transport).cut("reset"),
    "the server is started anew": () => ways.redis.restart(),
  };
  const names = Object.keys(losses);

  it.each(names)("succeeds with a request that came after the pause, in which %s", async (name) => {
    const paused = await start();
    await paused.stop();
    await losses[name]!();
    paused.continue();
    expect(await paused.write({ key: "second" })).toEqual(written("second"));
  });

  it.each(names)("succeeds with requests that came in the pause, after %s", async (name) => {
    const paused = await start();
    await paused.stop();
    await losses[name]!();
    const outcomes = ["second", "third", "fourth"].map((key) => paused.write({ key }));
    paused.continue();
    expect(await Promise.all(outcomes)).toEqual(["second", "third", "fourth"].map(written));
  });

  it.each(
    names.flatMap(
      (name) =>
        [
          [name, "of a tenth of a second", 100],
          [name, "of some seconds", 5000],
        ] as const,
    ),
  )(
    "succeeds with requests that came in the pause before %s, in a pause %s",
    async (name, _length, asleep) => {
      const paused = await start();
      await paused.stop();
      const outcomes = ["second", "third"].map((key) => paused.write({ key, asleep }));
      await losses[name]!();
      paused.continue();
      expect(await Promise.all(outcomes)).toEqual(["second", "third"].map(written));
    },
  );

  it("succeeds after a pause in which the network forgot the connection without a word", async () => {
    const proxy = ways.proxy(transport);
    const paused = await start({ deadline: "2s" });
    await paused.stop();
    proxy.holdAnswers();
    const outcome = paused.write({ key: "second", asleep: 60_000 });
    paused.continue();
    // Only the old connection is dead: a new one is answered.
    await until(() => proxy.accepted() === 2, "another connection");
    proxy.release();
    expect(await outcome).toEqual(written("second"));
  });

  it("takes an answer that came in a pause longer than the deadline", async () => {
    const proxy = ways.proxy(transport);
    const paused = await start({ deadline: "1s" });
    proxy.holdAnswers();
    const before = proxy.sent().length;
    const outcome = paused.write({ key: "second" });
    await until(() => proxy.sent().length > before, "the command was sent");
    await paused.stop();
    proxy.release();
    await delay(1500);
    paused.continue();
    expect(await outcome).toEqual(written("second"));
  });

  it("does not answer for a command whose answer was lost in the pause", async () => {
    const proxy = ways.proxy(transport);
    const paused = await start({ deadline: "1s" });
    proxy.holdAnswers();
    const outcome = paused.write({ key: "second" });
    await until(async () => (await ways.redis.client.exists("second")) === 1, "the command ran");
    await paused.stop();
    proxy.cut("reset");
    proxy.release();
    paused.continue();
    // It ran; sent again it would say that the key was there.
    expect(await outcome).toMatchObject({ failure: expect.stringMatching(/lost|no answer/) });
    expect(await paused.write({ key: "third" })).toEqual(written("third"));
  });
});

describe("an event loop that is blocked for longer than the deadline", () => {
  /** Not through a proxy, which would be blocked as well. */
  const open = (transport: Transport) =>
    openWatched({ ...ways.direct(transport), deadline: 100 }).connection;
  const block = (ms: number): void => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  };
  const set = { ttl: 60_000, condition: "NX" } as const;

  it.each(TRANSPORTS)("does not time out where the answer is there, over %s", async (transport) => {
    const connection = open(transport);
    await connection.ping();
    const outcomes = ["a", "b", "c"].map((key) => connection.set(key, "value", set));
    // Commands leave at the end of the turn in which they were asked for.
    await nextTurn();
    await nextTurn();
    block(500);
    expect(await Promise.all(outcomes)).toEqual([true, true, true]);
  });

  it.each(TRANSPORTS)(
    "does not time out where the command had not even left, over %s",
    async (transport) => {
      const connection = open(transport);
      await connection.ping();
      const outcomes = ["a", "b", "c"].map((key) => connection.set(key, "value", set));
      block(500);
      expect(await Promise.all(outcomes)).toEqual([true, true, true]);
    },
  );

  it("keeps the deadline for a server that does not answer after the block either", async () => {
    const { connection } = openWatched({ ...ways.options("plain"), deadline: 100 });
    await connection.ping();
    ways.proxy("plain").holdAnswers();
    const outcome = connection.set("a", "value", set);
    block(300);
    const freed = performance.now();
    await expect(outcome).rejects.toMatchObject({ code: "REDIS_TIMEOUT" });
    expect(performance.now() - freed).toBeGreaterThan(0);
  });
});
