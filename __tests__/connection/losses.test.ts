import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { openWatched, rejection } from "../support/connections.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { count } from "../support/scripts.ts";

let server: RedisServer;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
  proxy = await startProxy({ port: server.port });
});
afterEach(() => proxy.release());
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

const open = () => openWatched({ redis: `redis://127.0.0.1:${proxy.port}`, deadline: "2s" });

describe.each(["end", "reset"] as const)("a socket that is cut by %s", (how) => {
  it("rejects what is in flight as maybeExecuted, and runs it once", async () => {
    const { connection } = open();
    const key = `once-${how}`;
    expect(await connection.run(count, key, [])).toBe(1);
    proxy.holdAnswers();
    const inFlight = Array.from({ length: 10 }, () => rejection(connection.run(count, key, [])));
    await until(async () => (await server.client.get(key)) === "11", "all ten have run");
    proxy.cut(how);
    proxy.release();
    for (const error of await Promise.all(inFlight)) {
      expect(error).toMatchObject({ outcome: "maybeExecuted", status: 503 });
      expect(["REDIS_UNAVAILABLE", "REDIS_TIMEOUT"]).toContain(error.code);
    }
    await until(() => connection.state().state === "ready", "the connection is back");
    // If anything were sent again, it would come before this one.
    expect(await connection.run(count, key, [])).toBe(12);
  });

  it("is called unreachable, not a server that expects TLS, for it has answered before", async () => {
    const { connection, errors } = open();
    await connection.ready();
    proxy.cut(how);
    await until(() => connection.state().state !== "ready", "the loss is seen");
    await until(() => connection.state().state === "ready", "the connection is back");
    expect(errors.map(({ code }) => code).filter((code) => code !== "REDIS_UNAVAILABLE")).toEqual(
      [],
    );
  });

  it("is mended without a command that asks for it", async () => {
    const { connection, states } = open();
    await connection.ready();
    for (const cut of [1, 2, 3]) {
      proxy.cut(how);
      await until(
        () => states.filter(({ state }) => state === "ready").length === cut + 1,
        "the connection is back",
      );
    }
    await connection.ping();
    expect(proxy.open()).toBe(1);
  });
});

describe("a command that is asked for during a short loss", () => {
  it("waits for the connection, within its deadline", async () => {
    const { connection } = open();
    await connection.set("waits", "1", { ttl: 60_000 });
    proxy.cut();
    await until(() => connection.state().state === "down", "the loss is seen");
    expect(await connection.get("waits")).toBe("1");
  });
});

describe("a server that is killed with SIGKILL", () => {
  it("is reached again after its restart, without its scripts", async () => {
    const { connection, states } = openWatched({ redis: server.url });
    expect(await connection.run(count, "killed", [])).toBe(1);
    const exited = once(server.process, "exit");
    server.kill("SIGKILL");
    await exited;
    await until(() => connection.state().state === "down", "the loss is seen");
    await until(() => connection.state().problem !== undefined, "a new attempt has failed");
    expect((await rejection(connection.get("killed"))).outcome).toBe("notSent");
    await server.restart();
    await until(() => connection.state().state === "ready", "the connection is back");
    expect(await connection.run(count, "killed", [])).toBe(1);
    expect(states.map(({ state }) => state)).toEqual(["ready", "down", "ready"]);
  });
});
