import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { defineScript } from "../../src/connection/script.ts";
import { openWatched } from "../support/connections.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
});
afterAll(() => server.stop());

/** Takes the server some milliseconds, so that no answer comes at once. */
const busy = defineScript<number>({
  name: "busy",
  lua: "local x = 0 for i = 1, 1000000 do x = x + i end return 1",
  run: () => 1,
  parse: Number,
});

/** Blocks the event loop, as heavy work of the application's does. */
const block = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

describe("an event loop that is blocked while the connection is made", () => {
  it("right after the start, for longer than connectDeadline: ready() resolves", async () => {
    const { connection, errors } = openWatched({ redis: server.url, connectDeadline: 300 });
    block(400);
    await connection.ready();
    expect(errors).toEqual([]);
  });

  it("in development: Redis is used, and not memory", async () => {
    const options = { redis: server.url, connectDeadline: 300 };
    const { connection, fallbacks } = openWatched(options, { NODE_ENV: "development" });
    block(400);
    await connection.ready();
    expect(fallbacks).toEqual([]);
    expect(connection.state().kind).toBe("tcp");
  });

  it("while a command waits for the next connection: it is answered", async () => {
    const { connection } = openWatched({ redis: server.url, deadline: 300 });
    await connection.ready();
    await server.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await until(() => connection.state().state === "down", "the loss is noticed");
    const waiting = connection.get("key");
    block(500);
    expect(await waiting).toBeNull();
  });
});

it("a command whose socket is being looked at when the event loop is blocked is answered", async () => {
  const { connection } = openWatched({ redis: server.url, deadline: 300 });
  await connection.ready();
  await connection.run(busy, "key", []); // The server knows the script now.
  block(40); // Nobody knows what became of the socket meanwhile.
  const asked = connection.run(busy, "key", []);
  await nextTurn();
  block(400);
  expect(await asked).toBe(1);
});

it("a command whose socket is being looked at when the idle time ends is answered all the same", async () => {
  const { connection } = openWatched({ redis: server.url, idleTimeout: 100, deadline: 300 });
  await connection.ready();
  for (let round = 0; round < 5; round++) {
    await connection.get("key");
    await delay(80);
    const asked = connection.get("key");
    block(40);
    expect(await asked).toBeNull();
  }
});
