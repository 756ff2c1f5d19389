/** The connections that one suite runs over. */
import { afterAll, beforeAll, beforeEach, describe } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { type RedisServer, startRedis } from "./redis-server.ts";

/** One of them, inside its `describe`. */
export interface Backend {
  readonly name: "memory" | "redis";
  /** Options that make a kit use it. */
  options(): KitOptions;
  /** The server; throws on memory. */
  server(): RedisServer;
}

/** Declares the suite once for memory, and once for a private redis-server that is emptied before each test. */
export function describeBackends(title: string, declare: (backend: Backend) => void): void {
  describe(`${title}, in memory`, () => {
    declare({
      name: "memory",
      options: () => ({ redis: false }),
      server: () => {
        throw new Error("There is no server behind memory.");
      },
    });
  });
  describe(`${title}, on redis-server`, () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis();
    });
    beforeEach(async () => {
      await server.client.flushall();
    });
    afterAll(() => server.stop());
    declare({
      name: "redis",
      options: () => ({ redis: server.url }),
      server: () => server,
    });
  });
}
