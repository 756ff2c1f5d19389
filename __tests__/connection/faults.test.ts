/** Faults under load: what fails says whether it ran, nothing hangs, and the connection mends itself. */
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openWatched, rejection, type Watched } from "../support/connections.ts";
import { type Load, startLoad } from "../support/load.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

// Jest fails a test during which a rejection was not handled or an exception not caught.

let server: RedisServer;
let proxy: TcpProxy;
let watched: Watched;
let load: Load;
beforeAll(async () => {
  // What was answered outlives a killed process, so that its loss would be the kit's: the kernel
  // has it before the answer leaves. (With `everysec`, Redis postpones the write while a slow
  // disk syncs.)
  server = await startRedis({
    tcp: true,
    args: ["--appendonly", "yes", "--appendfsync", "no"],
  });
});
beforeEach(async () => {
  await server.client.flushall();
  proxy = await startProxy({ port: server.port });
  watched = openWatched({ redis: `redis://127.0.0.1:${proxy.port}` });
  await watched.connection.ready();
  load = startLoad(watched.connection);
  await load.answered(25);
});
afterEach(async () => {
  await load.audit(() => server.client);
  await proxy.stop();
});
afterAll(() => server.stop());

const killed = async (): Promise<void> => {
  const exited = once(server.process, "exit");
  server.kill("SIGKILL");
  await exited;
};

/** The service is back: answers come, the ledger agrees, and every failure was explained. */
async function expectRecovery(): Promise<void> {
  await load.answered(25);
  expect(await load.audit(() => server.client)).toEqual([]);
  expect(load.count("unexplained")).toBe(0);
  expect(watched.connection.state()).toMatchObject({ state: "ready", problem: undefined });
}

describe("faults that fail nothing", () => {
  // oxlint-disable-next-line jest/no-standalone-expect -- what holds after each of them
  afterEach(() => expect(load.codes()).toEqual([]));

  it("SCRIPT FLUSH, again and again", async () => {
    for (let round = 0; round < 20; round++) {
      await server.client.script("FLUSH");
      await load.answered(2);
    }
    await expectRecovery();
    expect(watched.errors).toEqual([]);
  });

  it("answers that come late, but within the deadline", async () => {
    proxy.delayAnswers(40);
    await load.answered(5);
    proxy.delayAnswers(0);
    await expectRecovery();
    expect(proxy.accepted()).toBe(1);
  });
});

describe("faults that lose what is in flight", () => {
  it.each<[string, () => unknown]>([
    ["CLIENT KILL", () => server.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")],
    ["a cut with FIN", () => proxy.cut("end")],
    ["a cut with RST", () => proxy.cut("reset")],
    ["an answer that ends before its first byte", () => proxy.truncateNextAnswer(0)],
    ["an answer that ends after its first byte", () => proxy.truncateNextAnswer(1)],
    ["an answer that ends half-way", () => proxy.truncateNextAnswer(9)],
  ])("%s, ten times", async (_name, strike) => {
    for (let round = 0; round < 10; round++) {
      const before = proxy.accepted();
      await strike();
      await until(() => proxy.accepted() > before, "a new connection is made");
      await load.answered(2);
    }
    await expectRecovery();
    expect(proxy.open()).toBe(1);
  });
});

describe("outages", () => {
  it.each<[string, () => unknown, () => unknown]>([
    ["a killed server that is started again", killed, () => server.restart()],
    ["a frozen server that thaws", () => server.kill("SIGSTOP"), () => server.kill("SIGCONT")],
    ["a black hole that ends", () => proxy.blackHole(), () => proxy.release()],
    ["answers that are held back", () => proxy.holdAnswers(), () => proxy.release()],
    ["answers that come too late", () => proxy.delayAnswers(600), () => proxy.delayAnswers(0)],
    [
      "writes that CLIENT PAUSE holds back, while PING is answered",
      () => server.client.call("CLIENT", "PAUSE", 60_000, "WRITE"),
      () => server.client.call("CLIENT", "UNPAUSE"),
    ],
  ])("%s: calls fail, none hangs, and the service returns", async (_name, begin, end) => {
    for (let round = 0; round < 2; round++) {
      await begin();
      await load.failed(20);
      await end();
      await load.answered(5);
    }
    await expectRecovery();
    expect(load.codes().filter((code) => !/^REDIS_(TIMEOUT|UNAVAILABLE)$/.test(code))).toEqual([]);
    // Each outage is told once, not once for each command or attempt.
    expect(watched.errors.length).toBeLessThanOrEqual(4);
    await until(() => proxy.open() === 1, "one connection is left");
  });
});

describe("an address that is given to another server", () => {
  it("is followed once the old server is a replica, although its connection lives on", async () => {
    const replica = ["--replicaof", "127.0.0.1", String(server.port)];
    const heir = await startRedis({ tcp: true, args: replica });
    try {
      await load.pause();
      await until(
        async () => (await heir.client.hlen("load")) === (await server.client.hlen("load")),
        "the replica has it all",
      );
      await heir.client.replicaof("NO", "ONE");
      proxy.leadTo(heir.port);
      await server.client.replicaof("127.0.0.1", heir.port);
      load.resume();
      await load.answered(25);
      expect(await load.audit(() => heir.client)).toEqual([]);
      expect(load.count("maybeExecuted") + load.count("unexplained")).toBe(0);
      expect(proxy.open()).toBe(1);
      expect(watched.errors).toEqual([]);
    } finally {
      await server.client.replicaof("NO", "ONE");
      await heir.stop();
    }
  });
});

describe("a password that is set while the kit runs without one", () => {
  afterEach(() => server.client.config("SET", "requirepass", ""));

  it("leaves live connections alone, is told once when a new one is needed, and heals", async () => {
    await server.client.config("SET", "requirepass", "s3cret");
    await load.answered(25);
    expect(load.codes()).toEqual([]);
    proxy.cut();
    await until(
      () => watched.connection.state().problem?.code === "REDIS_AUTH_FAILED",
      "the cause is known",
    );
    const attempts = proxy.accepted();
    await until(() => proxy.accepted() >= attempts + 4, "the kit tries again");
    const failure = await rejection(watched.connection.get("k"));
    expect(failure).toMatchObject({ code: "REDIS_AUTH_FAILED", outcome: "notSent" });
    expect(watched.errors.filter(({ code }) => code === "REDIS_AUTH_FAILED")).toHaveLength(1);
    await server.client.config("SET", "requirepass", "");
    await expectRecovery();
  });
});
