import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { standStill, startCannedServer } from "../support/canned-server.ts";
import { rejection } from "../support/connections.ts";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type Fault, type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

let server: RedisServer;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  emulator = await startRestEmulator({ socketPath: server.socketPath });
});
beforeEach(async () => {
  emulator.heal();
  await server.client.flushall();
});
afterAll(async () => {
  await emulator.stop();
  await server.stop();
});

async function open() {
  const watched = openRestChannel(emulator.url);
  await watched.channel.ready();
  return watched;
}

describe("a request that has left", () => {
  const faults: [string, Fault, number][] = [
    ["is lost before it ran", { kind: "close", when: "before" }, 0],
    ["is lost after it ran", { kind: "close", when: "after" }, 1],
    ["is answered in half", { kind: "truncate" }, 1],
    ["is answered with 500", { kind: "answer", status: 500, body: "{}" }, 0],
    ["is answered with 503", { kind: "answer", status: 503, body: "{}", when: "after" }, 1],
    ["is answered with a page", { kind: "answer", status: 200, body: "<html>", when: "after" }, 1],
    ["is answered by too few", { kind: "answer", status: 200, body: "[]", when: "after" }, 1],
  ];
  it.each(faults)("%s: it is not sent again", async (_what, fault, runs) => {
    const { channel } = await open();
    const before = emulator.requests.length;
    emulator.fail(fault, 1);
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "maybeExecuted" });
    expect(emulator.requests.length - before).toBe(1);
    expect(Number(await server.client.get("n"))).toBe(runs);
    expect(await channel.send(["INCR", "n"])).toBe(runs + 1);
  });
});

describe("a request that certainly did not run", () => {
  it.each([429, 404, 405, 307, 413])("is told so, with status %i", async (status) => {
    const { channel } = await open();
    const before = emulator.requests.length;
    emulator.fail({ kind: "answer", status, body: "", headers: { Location: emulator.url } }, 1);
    const error = await rejection(channel.send(["INCR", "n"]));
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    expect(error.message).toContain(String(status));
    expect(emulator.requests.length - before).toBe(1);
  });
});

describe("connections that the server closes", () => {
  it("are not used again after an answer that says so", async () => {
    const { channel } = await open();
    emulator.fail({ kind: "last-answer" }, 1);
    expect(await channel.send(["INCR", "n"])).toBe(1);
    expect(await channel.send(["INCR", "n"])).toBe(2);
  });

  it("are not used again when they were closed while idle", async () => {
    const { channel } = await open();
    const before = emulator.open();
    emulator.cut();
    await until(() => emulator.open() < before, "the socket is gone");
    expect(await channel.send(["INCR", "n"])).toBe(1);
  });

  it("are not used again when the process stood still meanwhile", async () => {
    const canned = await startCannedServer({ idle: 100 });
    const { channel } = openRestChannel(canned.url);
    await channel.ready();
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([channel.send(["PING"]), channel.send(["PING"])]);
      standStill(1200);
      expect(await channel.send(["PING"])).toBe("PONG");
    }
    await channel.close();
    await canned.stop();
  });

  it("are left when they were idle for ten seconds, or longer than the server announced", async () => {
    const patient = await startRestEmulator({ socketPath: server.socketPath, keepAlive: 60_000 });
    for (const [{ url, accepted }, limit] of [
      [{ url: patient.url, accepted: () => patient.accepted() }, 10_000],
      [{ url: emulator.url, accepted: () => emulator.accepted() }, 4000],
    ] as const) {
      const { channel } = openRestChannel(url);
      await channel.ready();
      const before = accepted();
      const now = Date.now();
      const clock = jest.spyOn(Date, "now").mockReturnValue(now + limit - 500);
      await channel.send(["PING"]);
      expect(accepted()).toBe(before);
      clock.mockReturnValue(now + 2 * limit + 500);
      await channel.send(["PING"]);
      expect(accepted()).toBe(before + 1);
      clock.mockRestore();
      await channel.close();
    }
    await patient.stop();
  });

  it("are left before the moment that the server announced", async () => {
    const brief = await startRestEmulator({ socketPath: server.socketPath, keepAlive: 1000 });
    const { channel } = openRestChannel(brief.url);
    await channel.ready();
    const before = brief.accepted();
    await channel.send(["PING"]);
    await channel.send(["PING"]);
    expect(brief.accepted()).toBeGreaterThan(before);
    await channel.close();
    await brief.stop();
  });
});
