import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { openRestChannel } from "../support/rest-channel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";

let server: RedisServer;
let emulator: RestEmulator;

beforeAll(async () => {
  server = await startRedis();
  emulator = await startRestEmulator({ socketPath: server.socketPath });
});
afterAll(async () => {
  await emulator.stop();
  await server.stop();
});

const sent = (): unknown => emulator.requests.at(-1)!.headers["upstash-sync-token"];

/** The token that the emulator gives next. */
function answerWith(token: string, after?: "release"): void {
  const headers = { "upstash-sync-token": token };
  const body = '[{"result":1}]';
  emulator.fail({ kind: "answer", status: 200, body, headers, ...(after && { after }) }, 1);
}

it("sends the token of the last answer with the next request", async () => {
  const { channel } = openRestChannel(emulator.url);
  await channel.ready();
  answerWith("first");
  await channel.send(["INCR", "n"]);
  answerWith("second");
  await channel.send(["INCR", "n"]);
  expect(sent()).toBe("first");
  await channel.send(["GET", "n"]);
  expect(sent()).toBe("second");
});

it("sends none with the first", async () => {
  const before = emulator.requests.length;
  const { channel } = openRestChannel(emulator.url);
  await channel.ready();
  expect(emulator.requests[before]!.headers).not.toHaveProperty("upstash-sync-token");
});

it("keeps the token of a write when an earlier read is answered late", async () => {
  const { channel } = openRestChannel(emulator.url);
  await channel.ready();
  answerWith("stale", "release");
  const before = emulator.requests.length;
  const read = channel.send(["SCARD", "s"]);
  await until(() => emulator.requests.length > before, "the read has arrived");
  answerWith("written");
  await channel.send(["INCR", "n"]);
  emulator.release();
  await read;
  await channel.send(["GET", "n"]);
  expect(sent()).toBe("written");
});

it("takes the token of a write that is answered late", async () => {
  const { channel } = openRestChannel(emulator.url);
  await channel.ready();
  answerWith("written", "release");
  const before = emulator.requests.length;
  const write = channel.send(["INCR", "n"]);
  await until(() => emulator.requests.length > before, "the write has arrived");
  answerWith("read");
  await channel.send(["SCARD", "s"]);
  emulator.release();
  await write;
  await channel.send(["GET", "n"]);
  expect(sent()).toBe("written");
});

it("keeps the last token where an answer holds none", async () => {
  const { channel } = openRestChannel(emulator.url);
  await channel.ready();
  answerWith("last");
  await channel.send(["INCR", "n"]);
  answerWith("");
  await channel.send(["INCR", "n"]);
  await channel.send(["GET", "n"]);
  expect(sent()).toBe("last");
});
