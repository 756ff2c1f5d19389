import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";
import { addMember, count } from "../support/scripts.ts";

let server: RedisServer;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  emulator = await startRestEmulator({ socketPath: server.socketPath });
});
beforeEach(async () => {
  await server.client.flushall();
  await server.client.script("FLUSH");
});
afterAll(async () => {
  await emulator.stop();
  await server.stop();
});

/** What was asked for since `from`: the names of commands. */
function namesFrom(from: number): unknown[] {
  return emulator.requests.slice(from).flatMap(({ commands }) => commands.map(([name]) => name));
}

it("sends a script's text once, with the header that lets Upstash lock by key", async () => {
  const { channel, connection } = openRestChannel(emulator.url);
  await channel.ready();
  const before = emulator.requests.length;
  expect(await connection.run(addMember, "set", ["a", 60_000])).toBe(1);
  expect(await connection.run(addMember, "set", ["b", 60_000])).toBe(2);
  expect(namesFrom(before)).toEqual(["EVALSHA", "EVAL", "EVALSHA"]);
  const lua = String(emulator.requests[before + 1]!.commands[0]![1]);
  expect(lua).toBe(`#!lua flags=allow-key-locking\n${addMember.lua}`);
  expect(emulator.plainScripts).toEqual([]);
});

it("sends it again after the server forgot it, and each run counts once", async () => {
  const { connection } = openRestChannel(emulator.url);
  expect(await connection.run(count, "n", [])).toBe(1);
  await server.client.script("FLUSH");
  expect(await connection.run(count, "n", [])).toBe(2);
  expect(await server.client.get("n")).toBe("2");
});

it("batches scripts of one tick, and their second tries", async () => {
  const { channel, connection } = openRestChannel(emulator.url);
  await channel.ready();
  const before = emulator.requests.length;
  const runs = Array.from({ length: 20 }, () => connection.run(count, "n", []));
  expect(new Set(await Promise.all(runs)).size).toBe(20);
  expect(emulator.requests.length - before).toBe(2);
});
