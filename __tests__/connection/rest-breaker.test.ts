import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import type { ConnectionState } from "../../src/connection/port.ts";
import { rejection } from "../support/connections.ts";
import { openRestChannel } from "../support/rest-channel.ts";
import { lastingPort } from "../support/ports.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

let server: RedisServer;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  emulator = await startRestEmulator({ socketPath: server.socketPath });
});
beforeEach(() => emulator.heal());
afterAll(async () => {
  await emulator.stop();
  await server.stop();
});

const told = (states: readonly ConnectionState[]) => states.map(({ state }) => state);

async function open(deadline = 1000) {
  const watched = openRestChannel(emulator.url, { deadline });
  await watched.channel.ready();
  return watched;
}

const BROKEN = { kind: "answer", status: 500, body: "{}" } as const;

it("opens after five failures in a row, and then fails commands without sending them", async () => {
  const { channel, errors, states } = await open();
  emulator.fail(BROKEN);
  for (let n = 1; n <= 5; n += 1) {
    expect((await rejection(channel.send(["PING"]))).outcome).toBe("maybeExecuted");
    expect(channel.state().state).toBe(n < 5 ? "ready" : "down");
  }
  const before = emulator.requests.length;
  const error = await rejection(channel.send(["INCR", "n"]));
  expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
  expect(error.message).toContain("status 500");
  expect(emulator.requests.slice(before).flatMap(({ commands }) => commands)).not.toContainEqual([
    "INCR",
    "n",
  ]);
  expect(told(states)).toEqual(["ready", "down"]);
  expect(errors).toEqual([channel.state().problem]);
});

it("counts failures in a row only, and errors of commands not at all", async () => {
  const { channel } = await open();
  await server.client.set("text", "a");
  for (let n = 0; n < 12; n += 1) {
    if (n % 4 !== 3) emulator.fail(BROKEN, 1);
    await channel.send(["PING"]).catch(() => {});
    await rejection(channel.send(["SCARD", "text"]));
  }
  expect(channel.state().state).toBe("ready");
});

it("counts a request that got no answer once, however many commands it carried", async () => {
  const { channel } = await open(50);
  emulator.fail({ kind: "hold", when: "before" });
  await Promise.allSettled(Array.from({ length: 20 }, () => channel.send(["PING"])));
  expect(channel.state().state).toBe("ready");
  for (let n = 0; n < 4; n += 1) await rejection(channel.send(["PING"]));
  expect(channel.state()).toMatchObject({ state: "down", problem: { code: "REDIS_UNAVAILABLE" } });
});

it("closes when a probe is answered, and opens at once when the next command fails", async () => {
  const { channel, states } = await open();
  emulator.fail(BROKEN, 6); // The five, and the first probe.
  for (let n = 0; n < 5; n += 1) await rejection(channel.send(["PING"]));
  await until(() => channel.state().state === "ready", "a probe succeeded");
  emulator.fail(BROKEN, 1);
  await rejection(channel.send(["GET", "k"]));
  expect(channel.state().state).toBe("down");
  await until(() => channel.state().state === "ready", "a probe succeeded again");
  await channel.send(["GET", "k"]);
  emulator.fail(BROKEN, 1);
  await rejection(channel.send(["GET", "k"]));
  expect(channel.state().state).toBe("ready"); // The success before has closed it.
  expect(told(states)).toEqual(["ready", "down", "ready", "down", "ready"]);
});

it("opens at once when connections are refused, and finds the server when it is back", async () => {
  const port = await lastingPort();
  const options = { socketPath: server.socketPath, port };
  const first = await startRestEmulator(options);
  const { channel, errors, states } = openRestChannel(first.url);
  await channel.ready();
  await first.stop();
  const error = await rejection(channel.send(["PING"]));
  expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
  expect(error.message).toContain("ECONNREFUSED");
  expect(channel.state().state).toBe("down");
  expect(errors.map(({ code }) => code)).toEqual(["REDIS_UNAVAILABLE"]);
  const second = await startRestEmulator(options);
  await until(() => channel.state().state === "ready", "the server is found");
  expect(await channel.send(["PING"])).toBe("PONG");
  expect(channel.state().problem).toBeUndefined();
  expect(told(states)).toEqual(["ready", "down", "ready"]);
  await channel.close();
  await second.stop();
});

it("does not let commands wait that have not left when it opens", async () => {
  const { channel } = await open();
  emulator.fail({ kind: "hold", when: "before" });
  const before = emulator.requests.length;
  const inFlight: Promise<unknown>[] = [];
  for (let n = 1; n <= 8; n += 1) {
    inFlight.push(rejection(channel.send(["PING"], { within: 60_000 })));
    await until(() => emulator.requests.length === before + n, `request ${n}`);
  }
  const waiting = rejection(channel.send(["INCR", "n"], { within: 60_000 }));
  emulator.cut();
  expect(await waiting).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
  expect(channel.state().state).toBe("down");
  await Promise.all(inFlight);
});

it("knows the last failure that was not followed by a success", async () => {
  const { channel } = await open();
  emulator.fail(BROKEN, 1);
  await rejection(channel.send(["PING"]));
  expect(channel.state()).toMatchObject({ state: "ready", problem: { code: "REDIS_UNAVAILABLE" } });
  await channel.send(["PING"]);
  expect(channel.state().problem).toBeUndefined();
});

it("tells of one cause once, until the next success", async () => {
  const { channel, errors } = await open();
  for (let outage = 1; outage <= 2; outage += 1) {
    emulator.fail(BROKEN);
    for (let n = 0; n < 8; n += 1) await rejection(channel.send(["PING"]));
    expect(errors).toHaveLength(outage);
    emulator.heal();
    await until(() => channel.state().state === "ready", "a probe succeeded");
    await channel.send(["PING"]);
  }
});

it("does not let an outage at the start go unexplained", async () => {
  const port = await lastingPort();
  const { channel, errors, states } = openRestChannel(`http://127.0.0.1:${port}`);
  const error = await rejection(channel.ready());
  expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
  expect(channel.state()).toMatchObject({ state: "connecting", problem: error });
  expect(errors).toEqual([error]);
  const late = await startRestEmulator({ socketPath: server.socketPath, port });
  await until(() => channel.state().state === "ready", "the server is found");
  expect(told(states)).toEqual(["ready"]);
  await channel.close();
  await late.stop();
});
