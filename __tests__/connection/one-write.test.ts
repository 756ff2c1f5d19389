import { once } from "node:events";
import { createServer as createPlain, type Server, type Socket } from "node:net";
import { connect } from "node:net";
import { createServer as createTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { KitOptions } from "express-redis-kit";
import { type Authority, createAuthority } from "../support/certificates.ts";
import type { Channel, Command } from "../../src/connection/channel.ts";
import { portOver } from "../../src/connection/commands.ts";
import { openWatched } from "../support/connections.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { addMember } from "../support/scripts.ts";

let redis: RedisServer;
let authority: Authority;
beforeAll(async () => {
  redis = await startRedis();
  authority = await createAuthority();
});
afterAll(async () => {
  authority.remove();
  await redis.stop();
});

/** Passes on to redis-server, and keeps each read apart: what one write brought. */
function relay(reads: string[]) {
  return (client: Socket): void => {
    const server = connect(redis.socketPath);
    client.on("data", (bytes: Buffer) => {
      reads.push(bytes.toString("latin1"));
      server.write(bytes);
    });
    server.on("data", (bytes: Buffer) => client.write(bytes));
    for (const socket of [client, server]) {
      socket.on("error", () => {});
      socket.on("close", () => [client, server].forEach((each) => each.destroy()));
    }
  };
}

it("all keys of one call are asked for in its tick where each has its own server", async () => {
  const sent: Command[] = [];
  const channel = {
    isSharded: true,
    send: async (command: Command) => {
      sent.push(command);
      return Buffer.from(String(command[1]));
    },
  };
  const answers = portOver(channel as unknown as Channel).mgetBytes(["a", "b", "c"]);
  expect(sent).toEqual([
    ["GET", "a"],
    ["GET", "b"],
    ["GET", "c"],
  ]);
  expect((await answers).map(String)).toEqual(["a", "b", "c"]);
});

describe.each(["plain", "TLS"])("over a %s socket", (kind) => {
  it("the commands of one tick leave in one write", async () => {
    const reads: string[] = [];
    const { cert, key } = await authority.issue("127.0.0.1", "localhost");
    const server: Server =
      kind === "TLS" ? createTls({ cert, key }, relay(reads)) : createPlain(relay(reads));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const options: KitOptions =
      kind === "TLS"
        ? { redis: { url: `rediss://localhost:${port}`, ca: authority.ca } }
        : { redis: `redis://127.0.0.1:${port}` };
    const { connection } = openWatched(options);
    await connection.ready();
    await connection.run(addMember, "set", ["a", 1000]);
    for (let round = 0; round < 20; round++) {
      reads.length = 0;
      await Promise.all([
        ...Array.from({ length: 20 }, (_, n) => connection.get(`key${n}`)),
        connection.mgetBytes(["key1", "key2", "bytes"]),
        connection.set("bytes", Buffer.from([0, 255, round]), { ttl: 1000 }),
        connection.run(addMember, "set", [round, 1000]),
        (async () => {
          await Promise.resolve(); // Later microtasks are of the same tick.
          await connection.del("key");
        })(),
      ]);
      expect(reads).toHaveLength(1);
      expect(reads[0]!.match(/\*\d/g)!.length).toBeGreaterThanOrEqual(23);
    }
    await connection.close();
    server.close();
  });
});
