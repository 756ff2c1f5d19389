/** What a listener is told when messages may be missed: at once, once, and again when all is well. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openWatched, rejection } from "../support/connections.ts";
import { listen, listenersAt } from "../support/listening.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { kitConnections } from "../support/server-group.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

let server: RedisServer;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
});
beforeEach(async () => {
  await server.client.flushall();
  proxy = await startProxy({ port: server.port });
});
afterEach(async () => {
  server.kill("SIGCONT"); // Where a test failed half-way.
  await proxy.stop();
});
afterAll(() => server.stop());

const through = () => `redis://127.0.0.1:${proxy.port}`;

/** Publishes past the kit until it is heard, and answers what was. */
async function hears(listening: ReturnType<typeof listen>, text: string): Promise<string[]> {
  await server.client.publish("news", text);
  await until(() => listening.messages().includes(text), "it is heard");
  return listening.messages();
}

describe("a socket that is lost", () => {
  it.each([
    ["killed by the server", () => server.client.call("CLIENT", "KILL", "TYPE", "pubsub")],
    ["ended", async () => proxy.cut("end")],
    ["reset", async () => proxy.cut("reset")],
  ])("because it was %s is told, and the next one is subscribed", async (_how, lose) => {
    const { connection } = openWatched({ redis: through() });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    expect(await hears(listening, "1")).toEqual(["1"]);
    for (let round = 1; round <= 3; round++) {
      await lose();
      await until(() => listening.count("interrupted") === round, "it is told");
      await until(listening.isSubscribed, "it is subscribed again");
    }
    expect(await hears(listening, "2")).toEqual(["1", "2"]);
    expect(listening.count("subscribed")).toBe(4);
    expect(await kitConnections(server)).toBe(1);
    expect(await listenersAt(server)).toBe(1);
    expect(proxy.accepted()).toBe(4);
  });

  it("within a message tells nothing of that message", async () => {
    const { connection } = openWatched({ redis: through() });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    proxy.truncateNextAnswer(60);
    await server.client.publish("news", "half ".repeat(20));
    await until(() => listening.count("interrupted") === 1, "it is told");
    await until(listening.isSubscribed, "it is subscribed again");
    expect(await hears(listening, "whole")).toEqual(["whole"]);
  });

  it("while nobody listens any more is subscribed to nothing", async () => {
    const { connection } = openWatched({ redis: through() });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    proxy.cut();
    await until(() => !listening.isSubscribed(), "it is told");
    listening.leave();
    await connection.ready();
    await connection.ping();
    expect(await listenersAt(server)).toBe(0);
    expect(proxy.sent().split("SUBSCRIBE")).toHaveLength(2);
  });
});

describe("a server that does not answer", () => {
  it("is told once a command has waited for it, and listened to again when it answers", async () => {
    const { connection } = openWatched({ redis: through(), deadline: 100 });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    for (let round = 1; round <= 2; round++) {
      server.kill("SIGSTOP");
      await rejection(connection.ping());
      expect(listening.count("interrupted")).toBe(round);
      server.kill("SIGCONT");
      await until(listening.isSubscribed, "it is subscribed again");
    }
    expect(await hears(listening, "1")).toEqual(["1"]);
    await until(async () => (await kitConnections(server)) === 1, "one connection is left");
  });

  it("behind a black hole is told too, and no message comes twice after it", async () => {
    const { connection } = openWatched({ redis: through(), deadline: 100 });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    proxy.blackHole();
    await rejection(connection.ping());
    expect(listening.isSubscribed()).toBe(false);
    await server.client.publish("news", "lost or late");
    proxy.release();
    await until(listening.isSubscribed, "it is subscribed again");
    await hears(listening, "1");
    expect(new Set(listening.messages()).size).toBe(listening.messages().length);
  });

  it("and that was left meanwhile is told so when it answers", async () => {
    const { connection } = openWatched({ redis: through(), deadline: 100 });
    const [leaver, stayer] = [listen(connection), listen(connection, "else")];
    await until(() => leaver.isSubscribed() && stayer.isSubscribed(), "both are subscribed");
    // Too short for the socket to be given up.
    server.kill("SIGSTOP");
    await rejection(connection.ping());
    leaver.leave();
    server.kill("SIGCONT");
    await until(stayer.isSubscribed, "the other is subscribed again");
    await connection.ping();
    expect(await listenersAt(server)).toBe(0);
    expect(await listenersAt(server, "else")).toBe(1);
  });
});

describe("a connection that goes idle", () => {
  it("is not kept by who listens, who is told, and listens again after the next command", async () => {
    const { connection, errors } = openWatched({ redis: through(), idleTimeout: 50 });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    for (let round = 1; round <= 3; round++) {
      await until(() => connection.state().state === "idle", "the connection is idle");
      expect(listening.count("interrupted")).toBe(round);
      await until(async () => (await kitConnections(server)) === 0, "the server sees none");
      expect(await server.client.publish("news", "nobody hears it")).toBe(0);
      await connection.ping();
      await until(listening.isSubscribed, "it is subscribed again");
      expect(proxy.accepted()).toBe(round + 1);
    }
    expect(listening.messages()).toEqual([]);
    expect(errors).toEqual([]);
  });

  it("keeps no function awake for who listens", async () => {
    let held = 0;
    const waitUntil = (): void => void (held += 1);
    const { connection } = openWatched({ redis: through(), idleTimeout: 50, waitUntil });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    await hears(listening, "1");
    expect(held).toBe(0);
    await connection.ping();
    expect(held).toBe(1);
  });

  it("is not kept by messages, nor woken by who begins to listen", async () => {
    const { connection } = openWatched({ redis: through(), idleTimeout: 50 });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    await until(async () => {
      await server.client.publish("news", "1");
      return connection.state().state === "idle";
    }, "the connection is idle, although messages come");
    const late = listen(connection);
    expect(proxy.accepted()).toBe(1);
    expect(connection.state().state).toBe("idle");
    await connection.ping();
    await until(() => late.isSubscribed() && listening.isSubscribed(), "both are subscribed");
    expect(proxy.accepted()).toBe(2);
  });
});

describe("a server that limits what it owes to who listens", () => {
  const limit = (bytes: number) =>
    server.client.config("SET", "client-output-buffer-limit", `pubsub ${bytes} 0 0`);
  beforeEach(() => limit(1_000_000));
  afterEach(() => limit(0));

  it("ends the connection over more, and the error says which limit it was", async () => {
    const { connection } = openWatched({ redis: server.url, deadline: 5000 });
    await connection.set("key", "x".repeat(200_000), { ttl: 60_000 });
    const many = () =>
      Promise.allSettled(Array.from({ length: 60 }, () => connection.getBytes("key")));
    expect((await many()).every(({ status }) => status === "fulfilled")).toBe(true);
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    const failed = (await many()).find(({ status }) => status === "rejected");
    expect(failed).toMatchObject({
      reason: {
        code: "REDIS_UNAVAILABLE",
        outcome: "maybeExecuted",
        fix: expect.stringContaining("client-output-buffer-limit"),
      },
    });
    await until(listening.isSubscribed, "it is subscribed again");
    expect(listening.count("interrupted")).toBe(1);
    await limit(0);
    expect((await many()).every(({ status }) => status === "fulfilled")).toBe(true);
  });
});

describe("a server that does not push", () => {
  it("because it lacks RESP3 does all else, and that is said once", async () => {
    const old = await startRedis({ args: ["--rename-command", "HELLO", ""] });
    const { connection, errors } = openWatched({ redis: old.url });
    const listening = listen(connection);
    await connection.ready();
    expect(listening.told).toEqual(["interrupted"]);
    for (let round = 0; round < 3; round++) {
      await connection.set("key", "value", { ttl: 60_000 });
      expect(await connection.get("key")).toBe("value");
      await old.client.call("CLIENT", "KILL", "TYPE", "normal");
      await until(() => connection.state().state === "down", "the loss is seen");
      await connection.ready();
    }
    await connection.push!.publish("news", "1");
    listening.leave();
    await connection.ping();
    expect(listening.told).toEqual(["interrupted"]);
    const refusals = errors.filter(({ code }) => code === "REDIS_PUSH_UNAVAILABLE");
    expect(refusals).toHaveLength(1);
    expect(refusals[0]!.message).toContain("RESP3");
    expect(await old.client.info("commandstats")).not.toMatch(/subscribe/);
    await connection.close();
    await old.stop();
  });

  it("because its user may not listen says so once, and does when the right is given", async () => {
    const rights = ["on", ">password", "~*", "+@all", "resetchannels"];
    await server.client.call("ACL", "SETUSER", "kit", ...rights);
    const url = through().replace("//", "//kit:password@");
    const { connection, errors } = openWatched({ redis: url });
    const listening = listen(connection);
    await until(() => errors.length > 0, "it is reported");
    expect(listening.told).toEqual(["interrupted"]);
    proxy.cut();
    await until(() => connection.state().state === "down", "the loss is seen");
    await connection.ready();
    await connection.ping();
    expect(errors.map(({ code }) => code)).toEqual(["REDIS_PUSH_UNAVAILABLE"]);
    expect(errors[0]!.message).toContain("NOPERM");
    expect(errors[0]!.fix).toContain("README");
    await server.client.call("ACL", "SETUSER", "kit", "&news");
    proxy.cut();
    await until(listening.isSubscribed, "it is subscribed");
    expect(await hears(listening, "1")).toEqual(["1"]);
    expect(listening.told).toEqual(["interrupted", "subscribed", ">1"]);
  });
});
