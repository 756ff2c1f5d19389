import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { rejection } from "../support/connections.ts";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

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

it("lets commands under way end, and ends all connections", async () => {
  const { channel, states } = openRestChannel(emulator.url);
  await channel.ready();
  const sent = [channel.send(["INCR", "n"]), channel.send(["INCR", "n"])];
  await channel.close();
  expect(await Promise.all(sent)).toEqual([1, 2]);
  expect(channel.state().state).toBe("closed");
  await until(() => emulator.open() === 0, "the sockets are gone");
  expect(states.map(({ state }) => state)).toEqual(["ready"]);
});

it("waits no longer than a deadline", async () => {
  const { channel } = openRestChannel(emulator.url, { deadline: 100 });
  await channel.ready();
  emulator.fail({ kind: "hold", when: "before" });
  const failure = rejection(channel.send(["INCR", "n"]));
  await channel.close();
  expect((await failure).code).toBe("REDIS_TIMEOUT");
});

it("refuses what comes afterwards", async () => {
  const { channel } = openRestChannel(emulator.url);
  await channel.ready();
  await channel.close();
  const before = emulator.requests.length;
  for (const failure of [rejection(channel.send(["PING"])), rejection(channel.ready())]) {
    expect(await failure).toMatchObject({ code: "KIT_CLOSED", outcome: "notSent" });
  }
  await channel.close();
  expect(emulator.requests).toHaveLength(before);
});

it("does not wait for a server that has not answered yet", async () => {
  emulator.fail({ kind: "hold", when: "before" });
  const before = emulator.requests.length;
  const { channel, errors } = openRestChannel(emulator.url, { connectDeadline: 60_000 });
  const ready = rejection(channel.ready());
  const command = rejection(channel.send(["INCR", "n"]));
  await until(() => emulator.requests.length === before + 2, "both have left");
  await channel.close();
  expect(await command).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "maybeExecuted" });
  expect((await ready).code).toBe("REDIS_UNAVAILABLE");
  expect(errors).toEqual([]);
});

it("stops looking for a server that is away", async () => {
  const other = await startRestEmulator({ socketPath: server.socketPath });
  const { channel } = openRestChannel(other.url);
  await channel.ready();
  await other.stop();
  await rejection(channel.send(["PING"]));
  await channel.close();
  expect(await rejection(channel.send(["PING"]))).toMatchObject({ code: "KIT_CLOSED" });
});

it("is itself the only server that holds keys", async () => {
  const { channel } = openRestChannel(emulator.url);
  expect(await channel.masters()).toEqual([channel]);
});
