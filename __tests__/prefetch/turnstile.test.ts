/** That the measure of waiting measures: with a client of which it is known how often it waits. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import { startRedis } from "../support/redis-server.ts";
import { startTurnstile, type Turnstile } from "../support/turnstile.ts";

let turnstile: Turnstile;
let client: Redis;
beforeAll(async () => {
  turnstile = await startTurnstile(await startRedis());
  client = new Redis({ port: turnstile.port, host: "127.0.0.1" });
  await client.ping();
});
afterAll(() => client.disconnect());

describe("the turnstile counts", () => {
  it("no wait of who asks nothing", async () => {
    const { flushes, unawaited } = await turnstile.pass(async () => "done");
    expect({ flushes, unawaited }).toEqual({ flushes: [], unawaited: [] });
  });

  it("one of two commands that are sent together", async () => {
    const { flushes, result } = await turnstile.pass(
      () => Promise.all([client.get("a"), client.set("b", "x".repeat(100_000))]),
      1,
    );
    expect(flushes).toEqual([["GET", "SET"]]);
    expect(result).toEqual([null, "OK"]);
  });

  it("two of two that are sent one after the other", async () => {
    const { flushes } = await turnstile.pass(async () => {
      await client.get("b");
      await client.get("b");
    });
    expect(flushes).toEqual([["GET"], ["GET"]]);
  });

  it("none of what is sent and not waited for", async () => {
    let later: Promise<unknown> | undefined;
    const { flushes, unawaited } = await turnstile.pass(async () => {
      await client.hset("c", { field: 1 });
      later = client.pexpire("c", 1000);
    }, 1);
    expect({ flushes, unawaited }).toEqual({ flushes: [["HSET"]], unawaited: ["PEXPIRE"] });
    expect(await later).toBe(1);
  });
});

it("the turnstile stops whoever waits more often than he may, and tells for what", async () => {
  const work = async (): Promise<void> => {
    await client.get("a");
    await client.smembers("d");
  };
  await expect(turnstile.pass(work, 1)).rejects.toThrow(
    "Was answered [GET], and waits for [SMEMBERS].",
  );
  expect(await client.ping()).toBe("PONG");
});
