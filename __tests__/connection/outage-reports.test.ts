import { describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Kit, KitError } from "express-redis-kit";
import { createLog, makeKit, type Log } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy } from "../support/tcp-proxy.ts";

interface Reports {
  readonly kit: Kit;
  readonly log: Log;
  readonly errors: KitError[];
}

/** A production kit, and what it reports of its connection. */
function watch(redis: string): Reports {
  const log = createLog();
  const errors: KitError[] = [];
  const kit = makeKit({ redis, logger: log }, { NODE_ENV: "production" });
  kit.on("redis-error", ({ error, during }) => {
    if (during === "connecting") errors.push(error);
  });
  return { kit, log, errors };
}

const logged = (log: Log): string[] => log.lines.filter((line) => line.startsWith("error"));
const isBack = (kit: Kit) => async () => (await kit.health()).status === "ok";

async function killed(server: RedisServer): Promise<void> {
  const exited = once(server.process, "exit");
  server.kill("SIGKILL");
  await exited;
}

describe("a long outage", () => {
  it("is reported once, however often the kit tries, and once more after a recovery", async () => {
    const server = await startRedis({ tcp: true });
    const proxy = await startProxy({ port: server.port });
    try {
      const { kit, log, errors } = watch(`redis://127.0.0.1:${proxy.port}`);
      await kit.ready();
      for (const outage of [1, 2]) {
        await killed(server);
        const before = proxy.accepted();
        await until(() => proxy.accepted() >= before + 4, "the kit has tried four times");
        expect(errors.map((error) => error.code)).toEqual(
          Array.from({ length: outage }, () => "REDIS_UNAVAILABLE"),
        );
        expect(logged(log)).toHaveLength(outage);
        await server.restart();
        await until(isBack(kit), "the kit is back");
      }
    } finally {
      await proxy.stop();
      await server.stop();
    }
  });

  it("that begins before the start is reported once, and ends by itself", async () => {
    const server = await startRedis({ tcp: true });
    try {
      await killed(server);
      const { kit, log, errors } = watch(server.url);
      await expect(kit.ready()).rejects.toMatchObject({
        code: "REDIS_UNAVAILABLE",
        message: expect.stringContaining("ECONNREFUSED"),
      });
      await server.restart();
      await until(isBack(kit), "the kit is there");
      await expect(kit.ready()).resolves.toBeUndefined();
      expect(errors).toHaveLength(1);
      expect(logged(log)).toHaveLength(1);
    } finally {
      await server.stop();
    }
  });
});

describe("a server that accepts and never answers", () => {
  it("is reported once, as unreachable, not as one that expects TLS", async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => void sockets.push(socket.on("error", () => {})));
    mute.listen(0, "127.0.0.1");
    await once(mute, "listening");
    try {
      const { port } = mute.address() as { port: number };
      const { kit, log, errors } = watch(`redis://127.0.0.1:${port}`);
      await expect(kit.ready()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
      await until(() => sockets.length >= 3, "the kit has tried three times");
      expect(errors.map((error) => error.code)).toEqual(["REDIS_UNAVAILABLE"]);
      expect(logged(log)).toHaveLength(1);
    } finally {
      for (const socket of sockets) socket.destroy();
      mute.close();
    }
  });
});

describe("a cause that changes during an outage", () => {
  it("is reported as each new cause, once", async () => {
    const server = await startRedis({ tcp: true });
    const proxy = await startProxy({ port: server.port });
    try {
      const { kit, errors } = watch(`redis://127.0.0.1:${proxy.port}`);
      await kit.ready();
      await server.client.config("SET", "requirepass", "another");
      proxy.cut();
      await until(() => errors.some((error) => error.code === "REDIS_AUTH_FAILED"), "told of it");
      const before = proxy.accepted();
      await until(() => proxy.accepted() >= before + 3, "the kit has tried three times more");
      expect(errors.filter((error) => error.code === "REDIS_AUTH_FAILED")).toHaveLength(1);
      expect(new Set(errors.map((error) => error.code)).size).toBe(errors.length);
    } finally {
      await proxy.stop();
      await server.stop();
    }
  });
});
