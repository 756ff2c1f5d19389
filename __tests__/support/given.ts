/** Channels through clients of the application's, for tests: closed after each. */
import { afterEach } from "@jest/globals";
import { Redis } from "ioredis";
import { createClient } from "redis";
import type { KitError, KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import type { ClientTarget } from "../../src/config/redis-target.ts";
import type { Channel } from "../../src/connection/channel.ts";
import { openClient } from "../../src/connection/client/open.ts";
import { portOver } from "../../src/connection/commands.ts";
import type { Connection, ConnectionState } from "../../src/connection/port.ts";
import { createLog } from "./kit.ts";

/** A channel through a client, its port, and all that it reported. */
export interface Given {
  readonly channel: Channel;
  readonly connection: Connection;
  readonly errors: KitError[];
  readonly states: ConnectionState[];
}

const opened: Channel[] = [];
const ends: (() => void)[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((channel) => channel.close()));
  for (const end of ends.splice(0)) end();
});

/** Opens a channel through a client as a kit in production does; it is closed after the test. */
export function openGiven(
  redis: KitOptions["redis"],
  options: KitOptions = {},
  env: Record<string, string> = { NODE_ENV: "production" },
): Given {
  const config = resolveConfig({ logger: createLog(), redis: redis!, ...options }, env);
  const errors: KitError[] = [];
  const states: ConnectionState[] = [];
  const channel = openClient(config.target as ClientTarget, config, {
    connection: (state) => void states.push(state),
    error: (error) => void errors.push(error),
  });
  opened.push(channel);
  return { channel, connection: portOver(channel), errors, states };
}

/** All keys that a scan finds, each once. */
export async function gather(connection: Connection, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const batch of connection.scan(prefix)) found.push(...batch);
  return [...new Set(found)].toSorted();
}

const quickly = { retryStrategy: () => 20 };

/** An ioredis client that reconnects quickly; closed after the test. */
export function ioredisAt(port: number, options: object = {}): Redis {
  const client = new Redis({ port, host: "127.0.0.1", ...quickly, ...options });
  client.on("error", () => {});
  ends.push(() => client.disconnect());
  return client;
}

/** What node-redis's `createClient` makes. */
export type NodeRedis = ReturnType<typeof createClient>;

/** A connected node-redis client that reconnects at once; closed after the test. */
export async function nodeRedisAt(port: number): Promise<NodeRedis> {
  const client = createClient({
    socket: { port, host: "127.0.0.1", reconnectStrategy: () => 20 },
  });
  client.on("error", () => {});
  await client.connect();
  ends.push(() => client.destroy());
  return client as unknown as NodeRedis;
}
