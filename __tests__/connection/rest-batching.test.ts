import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, type Seen, startRestEmulator } from "../support/rest-emulator.ts";

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

/** A channel that has answered once, and what arrives from then on. */
async function open() {
  const watched = openRestChannel(emulator.url);
  await watched.channel.ready();
  const before = emulator.requests.length;
  const seen = (): Seen[] => emulator.requests.slice(before);
  return { ...watched, seen, sizes: () => seen().map(({ commands }) => commands.length) };
}

it("sends all commands of one tick in one request, in their order", async () => {
  const { channel, seen } = await open();
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  const sent = numbers.map((n) => channel.send(["RPUSH", "list", n]));
  await Promise.resolve();
  sent.push(channel.send(["LRANGE", "list", 0, -1]));
  const answers = await Promise.all(sent);
  expect(answers.at(-1)).toEqual(numbers.map(String));
  expect(seen().map(({ path }) => path)).toEqual(["/pipeline"]);
});

it("sends a single command the same way", async () => {
  const { channel, seen } = await open();
  expect(await channel.send(["INCR", "n"])).toBe(1);
  expect(seen()).toMatchObject([{ path: "/pipeline", commands: [["INCR", "n"]] }]);
});

it("gives each command its own result or error", async () => {
  const { channel } = await open();
  await channel.send(["SADD", "set", "a"]);
  const answers = await Promise.allSettled([
    channel.send(["GET", "set"]),
    channel.send(["SCARD", "set"]),
    channel.send(["GET", "none"]),
  ]);
  expect(answers).toMatchObject([
    { status: "rejected", reason: { code: "REDIS_COMMAND_FAILED" } },
    { status: "fulfilled", value: 1 },
    { status: "fulfilled", value: null },
  ]);
});

it("puts at most 1000 commands into one request", async () => {
  const { channel, sizes } = await open();
  await Promise.all(Array.from({ length: 2500 }, () => channel.send(["INCR", "n"])));
  expect(await server.client.get("n")).toBe("2500");
  expect(sizes()).toEqual([1000, 1000, 500]);
});

it("ends a request after a megabyte, and sends what is larger by itself alone", async () => {
  const { channel, sizes } = await open();
  const set = (key: string, length: number) => channel.send(["SET", key, "x".repeat(length)]);
  await Promise.all([
    set("a", 600_000),
    set("b", 300_000),
    set("c", 200_000),
    set("d", 2_000_000),
    set("e", 1),
  ]);
  expect(sizes()).toEqual([2, 1, 1, 1]);
});

it("lets commands gather while eight requests are under way", async () => {
  const { channel, seen, sizes } = await open();
  emulator.fail({ kind: "hold", when: "before" });
  const sent: Promise<unknown>[] = [];
  for (let round = 1; round <= 8; round += 1) {
    sent.push(channel.send(["INCR", "n"]));
    await until(() => seen().length === round, `request ${round} has arrived`);
  }
  for (let more = 0; more < 20; more += 1) {
    sent.push(channel.send(["INCR", "n"]));
    await new Promise(setImmediate);
  }
  expect(sizes()).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  emulator.heal();
  expect(new Set(await Promise.all(sent)).size).toBe(28);
  expect(sizes()).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 20]);
});

it("forgets no command, whenever in a tick it comes", async () => {
  const { channel } = await open();
  const later = [
    (next: () => void) => process.nextTick(next),
    (next: () => void) => queueMicrotask(next),
    (next: () => void) => void setImmediate(next),
    (next: () => void) => void setTimeout(next, 0),
    (next: () => void) => queueMicrotask(() => queueMicrotask(() => queueMicrotask(next))),
  ];
  const commands = Array.from({ length: 2000 }, async (_, n) => {
    for (let step = 0; step < 3; step += 1) {
      await new Promise<void>((resolve) => later[(n + step) % later.length]!(resolve));
    }
    return channel.send(["INCR", "n"]);
  });
  expect(new Set(await Promise.all(commands)).size).toBe(2000);
});

it("uses one connection again and again where one is enough", async () => {
  const { channel } = await open();
  const before = emulator.accepted();
  for (let n = 1; n <= 20; n += 1) await channel.send(["INCR", "n"]);
  expect(emulator.accepted()).toBe(before);
});
