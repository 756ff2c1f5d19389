/** The connection breaks while a flush is under way. */
import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
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

const kitOf = () =>
  makeKit({ redis: `redis://127.0.0.1:${proxy.port}`, deadline: "10s", secret: "s" });

/** The scripts that the server was asked for so far. */
const scripts = (): number => proxy.sent().split("EVALSHA").length - 1;

/** Cuts the connection once so many scripts more were asked for, and nobody has had an answer. */
async function cutAfter<Result>(more: number, asking: () => Promise<Result>): Promise<Result> {
  const before = scripts();
  proxy.holdAnswers();
  const asked = asking();
  await until(() => scripts() >= before + more, "all that is asked was sent");
  proxy.cut("reset");
  proxy.release();
  return asked;
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
    expect((await cutAfter(1, () => ask(who))).status).toBe(status);
    const isWell = async () => storyOf(await ask(who)).endsWith("hit");
    await until(isWell, "it works again");
    await afterRoundTrips(kit);
  }
});

it("requests whose answers are lost are refused where the first limiter says so", async () => {
  const kit = kitOf();
  const { ask, warm, runs } = await serveStack(kit, [
    kit.rateLimit("first", { onRedisError: "closed" }),
    ...toldSession(kit),
    kit.rateLimit("second", { limit: 50 }),
  ]);
  await warm();
  const before = runs();
  const replies = await cutAfter(6, () => Promise.all([ask(), ask(), ask()]));
  expect(replies.map(({ status }) => status)).toEqual([503, 503, 503]);
  expect(runs()).toBe(before);
  await until(async () => (await kit.health()).status === "ok", "Redis is there again");
  expect((await ask()).status).toBe(200);
});
