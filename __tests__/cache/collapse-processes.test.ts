import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { type CacheSetup, startCacheProcesses } from "../support/cache-processes.ts";
import { send, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let redis: RedisServer;
let end = async (): Promise<void> => {};
beforeEach(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await end();
  await redis.stop();
});

/** So long that a test which had to wait for it would fail. */
const LONG = "60s";

async function start(count: number, setup: Omit<CacheSetup, "redis">) {
  const started = await startCacheProcesses(count, { redis: redis.url, ...setup });
  end = started.end;
  return started.processes;
}

/** The processes listen on ports of their own, but are asked under one name: that makes one variant. */
const ask = (url: string) => send(url, { path: "/held/1", headers: { Host: "one.test" } });

const askAll = (url: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => ask(url)));

const lockKeys = async (): Promise<string[]> => redis.client.keys("cache:@lock:*");

it("two processes with 50 requests each run the handler once in all", async () => {
  const processes = await start(2, { options: { collapse: { wait: LONG, age: LONG } } });
  const replies = processes.map(({ url }) => askAll(url, 50));
  const sum = (of: "arrived" | "called") =>
    processes.reduce((total, process) => total + process[of](), 0);
  await until(() => sum("arrived") === 100 && sum("called") > 0, "all have come, and one renders");
  expect(await lockKeys()).toHaveLength(1);
  for (const process of processes) process.answer("page");
  for (const reply of (await Promise.all(replies)).flat()) expect(textOf(reply)).toBe("page");
  expect(sum("called")).toBe(1);
  expect(processes.flatMap((process) => process.warnings())).toEqual([]);
  await until(async () => (await lockKeys()).length === 0, "the lock is given back");
});

it("a process that is killed while it renders holds the others up for `age` only", async () => {
  const [leader, ...others] = await start(3, { options: { collapse: { wait: LONG, age: "1s" } } });
  const lost = ask(leader!.url).catch(() => "lost");
  await until(() => leader!.called() === 1, "it renders");
  const replies = others.map(({ url }) => askAll(url, 25));
  await until(() => others.every((other) => other.arrived() === 25), "the others have come");
  await leader!.kill();
  expect(await lost).toBe("lost");
  const called = () => others.reduce((total, process) => total + process.called(), 0);
  await until(() => called() > 0, "another one renders");
  for (const process of others) process.answer("page");
  for (const reply of (await Promise.all(replies)).flat()) expect(textOf(reply)).toBe("page");
  // One takes the place of the dead, and is waited for in its turn.
  expect(called()).toBe(1);
});

it("a process that is killed while it renders holds the others up for `wait` at most", async () => {
  const [leader, ...others] = await start(3, { options: { collapse: { wait: "1s", age: LONG } } });
  const lost = ask(leader!.url).catch(() => "lost");
  await until(() => leader!.called() === 1, "it renders");
  const replies = others.map(({ url }) => askAll(url, 10));
  await until(() => others.every((other) => other.arrived() === 10), "the others have come");
  await leader!.kill();
  expect(await lost).toBe("lost");
  for (const process of others) process.answer("own");
  for (const reply of (await Promise.all(replies)).flat()) expect(textOf(reply)).toBe("own");
  const called = others.reduce((total, process) => total + process.called(), 0);
  expect(called).toBeGreaterThanOrEqual(1);
  expect(called).toBeLessThanOrEqual(20);
  // Nothing of the dead stays for ever.
  for (const key of await lockKeys()) expect(await redis.client.pttl(key)).toBeGreaterThan(0);
});

it("an answer that may not be shared sends every request of both processes to its own handler", async () => {
  const [one, two] = await start(2, { options: { collapse: { wait: LONG, age: LONG } } });
  const first = ask(one!.url);
  await until(() => one!.called() === 1, "it renders");
  const replies = [askAll(one!.url, 10), askAll(two!.url, 10)];
  await until(() => one!.arrived() === 11 && two!.arrived() === 10, "the others have come");
  two!.answer("own", { "Set-Cookie": "sid=2" });
  one!.answer("own", { "Set-Cookie": "sid=1" });
  await first;
  for (const reply of (await Promise.all(replies)).flat()) {
    expect(textOf(reply)).toBe("own");
    expect(reply.headers["cache-status"]).not.toMatch(/collapsed|hit/);
  }
  expect([one!.called(), two!.called()]).toEqual([11, 10]);
  await until(async () => (await lockKeys()).length === 0, "the lock is given back");
});

it("a purge in another process is seen by the next request of the one that renders", async () => {
  const [one, two] = await start(2, { options: { collapse: { wait: LONG, age: LONG } } });
  const before = ask(one!.url);
  await until(() => one!.called() === 1, "it renders");
  await two!.purge("1");
  const after = ask(one!.url);
  await until(() => one!.called() === 2, "it renders anew");
  one!.answer("done");
  expect(textOf(await before)).toBe("done");
  expect(textOf(await after)).toBe("done");
});

it("cache.wrap calls its loader once for 50 callers in each of two processes", async () => {
  const processes = await start(2, { wrap: { collapse: { wait: LONG, age: LONG } } });
  const values = processes.map((process) => process.wrap(50));
  const called = () => processes.reduce((total, process) => total + process.called(), 0);
  await until(() => called() > 0, "one loads");
  for (const process of processes) process.answer("loaded");
  for (const value of (await Promise.all(values)).flat()) expect(value).toEqual({ text: "loaded" });
  expect(called()).toBe(1);
  expect(processes.flatMap((process) => process.warnings())).toEqual([]);
});
