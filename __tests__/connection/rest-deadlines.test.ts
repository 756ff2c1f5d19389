import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { standStill, startCannedServer } from "../support/canned-server.ts";
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

async function open(deadline: number) {
  const watched = openRestChannel(emulator.url, { deadline });
  await watched.channel.ready();
  return watched;
}

it("ends a command that gets no answer, and its socket with it", async () => {
  const { channel } = await open(100);
  const before = emulator.open();
  emulator.fail({ kind: "hold", when: "after" });
  const error = await rejection(channel.send(["INCR", "n"]));
  expect(error).toMatchObject({ code: "REDIS_TIMEOUT", outcome: "maybeExecuted", status: 503 });
  expect(error.message).toContain("INCR got no answer within 100 ms");
  await until(() => emulator.open() < before, "the socket is gone");
});

it("takes the time that a first step has left over", async () => {
  const { channel } = await open(10_000);
  emulator.fail({ kind: "hold", when: "before" });
  const error = await rejection(channel.send(["INCR", "n"], { within: 50 }));
  expect(error.message).toContain("within 50 ms");
});

it("says of a command that still waited for its turn that it was not sent", async () => {
  const { channel } = await open(200);
  const before = emulator.requests.length;
  emulator.fail({ kind: "hold", when: "before" });
  const inFlight: Promise<unknown>[] = [];
  for (let round = 1; round <= 8; round += 1) {
    inFlight.push(channel.send(["INCR", "n"], { within: 5000 }));
    await until(() => emulator.requests.length === before + round, `request ${round}`);
  }
  const error = await rejection(channel.send(["INCR", "m"]));
  expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
  emulator.heal();
  await channel.send(["PING"]);
  expect(await server.client.exists("m")).toBe(0);
  await channel.close();
  await Promise.all(inFlight);
});

it("lets one late command of a request go without the others", async () => {
  const { channel } = await open(5000);
  emulator.fail({ kind: "hold", when: "after" }, 1);
  const late = rejection(channel.send(["INCR", "n"], { within: 50 }));
  const patient = channel.send(["INCR", "m"]);
  expect((await late).code).toBe("REDIS_TIMEOUT");
  emulator.release();
  expect(await patient).toBe(1);
});

it("is patient until the first answer, and not after", async () => {
  emulator.fail({ kind: "hold", when: "before" });
  const { channel } = openRestChannel(emulator.url, { deadline: 50, connectDeadline: 5000 });
  expect(channel.deadline()).toBe(5000);
  const patient = channel.send(["INCR", "n"]);
  setTimeout(() => emulator.heal(), 200);
  expect(await patient).toBe(1);
  expect(channel.deadline()).toBe(50);
});

it("ends short commands in time while longer ones from before the first answer are under way", async () => {
  emulator.fail({ kind: "delay", ms: 0, when: "before" }, 1); // The PING at the start.
  emulator.fail({ kind: "hold", when: "before" });
  const before = emulator.requests.length;
  const { channel } = openRestChannel(emulator.url, { deadline: 100, connectDeadline: 60_000 });
  const long = channel.send(["INCR", "n"]);
  await channel.ready();
  await until(() => emulator.requests.length === before + 2, "the long one has arrived");
  expect((await rejection(channel.send(["INCR", "m"]))).message).toContain("within 100 ms");
  emulator.heal();
  expect(await long).toBe(1);
});

it("takes an answer that came while the event loop stood still", async () => {
  const canned = await startCannedServer({ delay: 100 });
  const { channel } = openRestChannel(canned.url, { deadline: 400 });
  await channel.ready();
  const answer = channel.send(["PING"]);
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate); // Until it has left.
  standStill(900);
  expect(await answer).toBe("PONG");
  await channel.close();
  await canned.stop();
});
