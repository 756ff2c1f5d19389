import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createMemory } from "../../src/connection/memory/memory.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { createLog, makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

let server: RedisServer;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
  proxy = await startProxy({ port: server.port });
});
afterAll(async () => {
  await proxy.stop();
  await server.stop();
});

describe("a connection that is being closed", () => {
  it("tells those who wait for it that it was closed", async () => {
    proxy.holdAnswers();
    try {
      const { connection, errors } = openWatched({ redis: `redis://127.0.0.1:${proxy.port}` });
      const waiting = Promise.all([rejection(connection.ready()), rejection(connection.get("x"))]);
      await connection.close();
      expect((await waiting).map((error) => error.code)).toEqual(["KIT_CLOSED", "KIT_CLOSED"]);
      expect(errors).toEqual([]);
    } finally {
      proxy.release();
    }
  });

  it("ends within its deadline where the server is frozen", async () => {
    const { connection } = openWatched({ redis: server.url });
    await connection.ready();
    server.kill("SIGSTOP");
    try {
      const started = Date.now();
      await connection.close();
      expect(Date.now() - started).toBeLessThan(3000);
    } finally {
      server.kill("SIGCONT");
    }
  });
});

describe("a development kit that is closed before it has decided", () => {
  it("does not warn of memory, and does not go on in it", async () => {
    proxy.holdAnswers();
    try {
      const log = createLog();
      const kit = makeKit(
        { redis: `redis://127.0.0.1:${proxy.port}`, logger: log },
        { NODE_ENV: "development" },
      );
      const ready = rejection(kit.ready());
      await kit.close();
      expect((await ready).code).toBe("KIT_CLOSED");
      expect(log.lines.filter((line) => !line.startsWith("info"))).toEqual([]);
    } finally {
      proxy.release();
    }
  });
});

describe("a connection to memory that was closed", () => {
  it.each(["get", "getBytes", "del", "scard"] as const)(
    "refuses %s with KIT_CLOSED",
    async (name) => {
      const connection = createMemory();
      await connection.close();
      expect(await rejection(connection[name]("k"))).toMatchObject({ code: "KIT_CLOSED" });
    },
  );

  it("refuses to write with KIT_CLOSED, and is ready no more", async () => {
    const connection = createMemory();
    await connection.close();
    const work = [connection.set("k", "1", { ttl: 1000 }), connection.ping(), connection.ready()];
    const codes = (await Promise.all(work.map(rejection))).map((error) => error.code);
    expect(codes).toEqual(["KIT_CLOSED", "KIT_CLOSED", "KIT_CLOSED"]);
  });
});
