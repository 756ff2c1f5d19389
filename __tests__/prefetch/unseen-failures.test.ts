/** An answer that was asked ahead, failed, and is used by nobody ends no process. */
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type StackProcess, startStack } from "../support/stack-processes.ts";

let server: RedisServer;
let stack: StackProcess;
beforeEach(async () => {
  server = await startRedis();
  stack = await startStack(server.url);
});
afterEach(async () => {
  server.kill("SIGCONT");
  await stack.end();
  await server.stop();
});

it.each(["SIGSTOP", "SIGKILL"] as const)("of a Redis that got %s", async (signal) => {
  expect(await stack.ask({ turns: 0 })).toEqual([200, 200, 200, 200]);
  server.kill(signal);
  // The first ones wait for the deadline; the later ones fail at once.
  for (const turns of [50, 1, 50, 500]) {
    expect(await stack.ask({ turns })).toEqual([200, 200, 200, 200]);
  }
  expect(await stack.ask({ turns: 0 })).toEqual([503, 503, 503, 503]);
});

it("of keys that hold what they should not", async () => {
  for (const key of await server.client.keys("*")) {
    await server.client.del(key);
    await server.client.hset(key, { not: "yours" });
  }
  expect(await stack.ask({ turns: 50 })).toHaveLength(4);
  expect(await stack.ask({ turns: 0 })).toHaveLength(4);
});
