/** The connection breaks while a flush is under way. */
import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { expectNoUnhandledRejections } from "../support/rejections.ts";
import { fullStack, serveStack, storyOf, toldSession } from "../support/stack.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

let server: RedisServer;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await startRedis();
  proxy = await startProxy({ path: server.socketPath });
});
afterAll(() => proxy.stop());
beforeEach(() => server.client.flushall());
expectNoUnhandledRejections();

const kitOf = () =>
  makeKit({ redis: `redis://127.0.0.1:${proxy.port}`, deadline: "10s", secret: "s" });

/** Cuts the connection once the server has been asked. */
async function cutOnceAsked(): Promise<void> {
  const before = proxy.sent().length;
  await until(() => proxy.sent().length > before, "the flush was sent");
  proxy.cut("reset");
  proxy.release();
}

it("who is signed in is told so, an anonymous request goes on, and the next ones are served", async () => {
  const kit = kitOf();
  const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
  const cookie = await signIn();
  await warm(cookie);
  await warm();
  for (const [who, status] of [
    [cookie, 503],
    [undefined, 200],
  ] as const) {
    proxy.holdAnswers();
    const asked = ask(who);
    await cutOnceAsked();
    expect((await asked).status).toBe(status);
    await kit.ready();
    const isWell = async () => storyOf(await ask(who)).endsWith("hit");
    await until(isWell, "it works again");
  }
});

it("nothing is left counted on a second limiter of requests that never came there", async () => {
  const kit = kitOf();
  const { ask, warm } = await serveStack(kit, [
    kit.rateLimit("first", { onRedisError: "closed" }),
    ...toldSession(kit),
    kit.rateLimit("second", { limit: 50 }),
  ]);
  await warm();
  proxy.holdAnswers();
  const asked = Promise.all([ask(), ask(), ask()]);
  await cutOnceAsked();
  for (const { status } of await asked) expect(status).toBe(503);
  await until(async () => (await kit.health()).status === "ok", "Redis is there again");
  await afterRoundTrips(kit);
  expect((await ask()).status).toBe(200);
});
