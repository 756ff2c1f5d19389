import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { openWatched, rejection } from "../support/connections.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { count } from "../support/scripts.ts";

/** More than any machine takes, less than a hang. */
const PROMPT = 5000;

let server: RedisServer;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
  proxy = await startProxy({ port: server.port });
});
afterEach(() => {
  server.kill("SIGCONT");
  proxy.delayConnects(0);
  proxy.release();
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

const throughProxy = () => `redis://127.0.0.1:${proxy.port}`;

describe("a server that is frozen with SIGSTOP", () => {
  it("makes a command reject with REDIS_TIMEOUT, which may have been executed", async () => {
    const { connection } = openWatched({ redis: server.url, deadline: 100 });
    await connection.ready();
    server.kill("SIGSTOP");
    const started = Date.now();
    const error = await rejection(connection.get("k"));
    expect(error).toMatchObject({ code: "REDIS_TIMEOUT", outcome: "maybeExecuted", status: 503 });
    expect(error.headers).toEqual({ "Retry-After": "1" });
    expect(Date.now() - started).toBeGreaterThanOrEqual(99);
    expect(Date.now() - started).toBeLessThan(PROMPT);
  });

  it("makes every method reject, none hang", async () => {
    const { connection } = openWatched({ redis: server.url, deadline: 50 });
    await connection.ready();
    server.kill("SIGSTOP");
    const errors = await Promise.all(
      [
        connection.get("k"),
        connection.getBytes("k"),
        connection.set("k", "1", { ttl: 1000 }),
        connection.del("k"),
        connection.pexpire("k", 1),
        connection.sismember("k", "a"),
        connection.scard("k"),
        connection.srem("k", "a"),
        connection.run(count, "k", []),
        connection.ping(),
        connection.scan("k")[Symbol.asyncIterator]().next(),
      ].map(rejection),
    );
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(["REDIS_TIMEOUT"]));
  });

  it("makes commands fail at once after the outage's budget, and recovers by itself on SIGCONT", async () => {
    const { connection, states } = openWatched({ redis: server.url, deadline: 200 });
    await connection.ready();
    server.kill("SIGSTOP");
    await rejection(connection.get("k"));
    await until(() => connection.state().state === "down", "the socket is given up");
    await rejection(connection.get("k")); // Spends what is left of the budget.
    const spent = await rejection(connection.get("k"));
    expect(spent).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    const started = Date.now();
    for (let n = 0; n < 50; n++) await rejection(connection.get("k"));
    // Fifty deadlines would take 10 s.
    expect(Date.now() - started).toBeLessThan(PROMPT);
    server.kill("SIGCONT");
    await until(() => connection.state().state === "ready", "the connection is back");
    expect(await connection.get("k")).toBeNull();
    expect(states.map(({ state }) => state)).toEqual(["ready", "down", "ready"]);
    expect(connection.state().problem).toBeUndefined();
  });

  it("runs nothing after the thaw that was asked for while it was known to be away", async () => {
    const { connection } = openWatched({ redis: server.url, deadline: 100 });
    await connection.ready();
    server.kill("SIGSTOP");
    const sent = await rejection(connection.run(count, "thaw", []));
    expect(sent.outcome).toBe("maybeExecuted");
    await until(() => connection.state().state === "down", "the socket is given up");
    const unsent = await Promise.all(
      Array.from({ length: 20 }, () => rejection(connection.run(count, "thaw", []))),
    );
    expect(unsent.every(({ outcome }) => outcome === "notSent")).toBe(true);
    server.kill("SIGCONT");
    await until(() => connection.state().state === "ready", "the connection is back");
    expect(await connection.run(count, "thaw", [])).toBeLessThanOrEqual(2);
  });
});

describe("an answer that comes late", () => {
  it("is not given to the next command", async () => {
    const { connection } = openWatched({ redis: throughProxy(), deadline: 200 });
    await connection.set("late", "first", { ttl: 60_000 });
    proxy.holdAnswers();
    const late = rejection(connection.get("late"));
    expect((await late).code).toBe("REDIS_TIMEOUT");
    proxy.release();
    await until(() => connection.state().state === "ready", "a probe is answered");
    expect(await connection.get("absent")).toBeNull();
    expect(await connection.get("late")).toBe("first");
  });

  it("is taken where it arrived while the event loop was busy past the deadline", async () => {
    const { connection } = openWatched({ redis: server.url, deadline: 50 });
    await connection.set("busy", "1", { ttl: 60_000 });
    const asked = connection.get("busy");
    await new Promise(setImmediate);
    const end = Date.now() + 300;
    while (Date.now() < end);
    expect(await asked).toBe("1");
  });
});

describe("the first connection", () => {
  it("may take longer than the deadline, within connectDeadline", async () => {
    proxy.delayConnects(600);
    const { connection, errors } = openWatched({ redis: throughProxy(), deadline: 200 });
    await connection.set("first", "1", { ttl: 60_000 });
    expect(await connection.get("first")).toBe("1");
    expect(errors).toEqual([]);
  });

  it("that is slower than connectDeadline rejects what waited for it, and comes all the same", async () => {
    proxy.delayConnects(800);
    const { connection } = openWatched({
      redis: throughProxy(),
      deadline: 50,
      connectDeadline: 200,
    });
    const error = await rejection(connection.ready());
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    proxy.delayConnects(0);
    await until(() => connection.state().state === "ready", "the connection comes");
    await connection.ping();
  });

  it("makes ready() reject with why it failed, where nothing listens", async () => {
    const stopped = await startProxy({ port: server.port });
    await stopped.stop();
    const { connection } = openWatched({ redis: `redis://127.0.0.1:${stopped.port}` });
    const error = await rejection(connection.ready());
    expect(error.code).toBe("REDIS_UNAVAILABLE");
    expect(error.message).toContain("ECONNREFUSED");
    expect(error.message).toContain(String(stopped.port));
    expect(connection.state()).toMatchObject({ state: "connecting", problem: error });
  });

  it("makes ready() reject with why it failed, where the host's name is unknown", async () => {
    const { connection } = openWatched({ redis: "rediss://no-such-host.invalid" });
    const error = await rejection(connection.ready());
    expect(error.code).toBe("REDIS_UNAVAILABLE");
    expect(error.message).toContain("no-such-host.invalid");
  });

  it("makes ready() reject with why it failed, where the unix socket is missing", async () => {
    const { connection } = openWatched({ redis: "unix:///nowhere/redis.sock" });
    const error = await rejection(connection.ready());
    expect(error.code).toBe("REDIS_UNAVAILABLE");
    expect(error.message).toMatch(/nowhere\/redis\.sock.*ENOENT/);
  });
});
