/** A server behind a turnstile, and kits that reach it through that. */
import { beforeAll, beforeEach } from "@jest/globals";
import type { Kit, KitOptions } from "express-redis-kit";
import { makeKit } from "./kit.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";
import { startTurnstile, type Turnstile } from "./turnstile.ts";

/** For the tests of one file. */
export interface Waiting {
  server(): RedisServer;
  turnstile(): Turnstile;
  /** A kit whose every command passes the turnstile. No deadline answers for what is withheld. */
  kit(options?: KitOptions): Promise<Kit>;
}

/** Starts both before all tests, and empties the database before each. */
export function setUpWaiting(): Waiting {
  let server: RedisServer;
  let turnstile: Turnstile;
  beforeAll(async () => {
    server = await startRedis();
    turnstile = await startTurnstile(server);
  });
  beforeEach(() => server.client.flushall());
  return {
    server: () => server,
    turnstile: () => turnstile,
    kit: async (options = {}) => {
      const redis = `redis://127.0.0.1:${turnstile.port}`;
      const kit = makeKit({ redis, deadline: "30s", secret: "s", ...options });
      await kit.ready();
      return kit;
    },
  };
}
