/** Messages on the connection itself: one socket, in the order of the stream, and no command where nobody listens. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { RedisOptions } from "../../src/config/redis-options.ts";
import { type Authority, createAuthority } from "../support/certificates.ts";
import { openWatched } from "../support/connections.ts";
import { listen, listenersAt } from "../support/listening.ts";
import { startLoad } from "../support/load.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { kitConnections } from "../support/server-group.ts";
import { startProxy } from "../support/tcp-proxy.ts";

let server: RedisServer;
let own: Authority;
beforeAll(async () => {
  own = await createAuthority();
  const { certFile, keyFile } = await own.issue("127.0.0.1");
  server = await startRedis({ tcp: true, tls: { ca: own.caFile, cert: certFile, key: keyFile } });
});
beforeEach(() => server.client.flushall());
afterAll(async () => {
  await server.stop();
  own.remove();
});

const WAYS: [string, () => string | RedisOptions][] = [
  ["a unix socket", () => `unix://${server.socketPath}`],
  ["TCP", () => server.url],
  ["TLS", () => ({ url: `rediss://127.0.0.1:${server.tlsPort}`, ca: own.ca })],
];

describe.each(WAYS)("over %s", (_name, redis) => {
  it("come on the one socket that carries the commands", async () => {
    const { connection, errors } = openWatched({ redis: redis() });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    for (let n = 0; n < 50; n++) {
      await connection.set("key", String(n), { ttl: 60_000 });
      await server.client.publish("news", String(n));
      expect(await connection.get("key")).toBe(String(n));
    }
    expect(listening.messages()).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
    expect(await kitConnections(server)).toBe(1);
    const list = String(await server.client.client("LIST"));
    expect(list).toMatch(/name=express-redis-kit .* sub=1 .* resp=3/);
    expect(errors).toEqual([]);
  });

  it("come after the word that they do, though both arrive at once", async () => {
    const { connection } = openWatched({ redis: redis() });
    await connection.ready();
    for (let round = 0; round < 20; round++) {
      const listening = listen(connection);
      await connection.push!.publish("news", "at once");
      await until(() => listening.told.length === 2, "both have come");
      expect(listening.told).toEqual(["subscribed", ">at once"]);
      listening.leave();
    }
  });

  it("have been told by the time that a later answer is there", async () => {
    const { connection } = openWatched({ redis: redis() });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    for (let round = 1; round <= 200; round++) {
      // Published before the command is sent, so it stands before its answer.
      await server.client.publish("news", String(round));
      await connection.get("key");
      expect(listening.messages()).toHaveLength(round);
    }
  });

  it("of two kits at once arrive in the order of each, and none twice", async () => {
    const [hearer, ...kits] = [1, 2, 3].map(() => openWatched({ redis: redis() }).connection);
    const listening = listen(hearer!);
    await until(listening.isSubscribed, "it is subscribed");
    const published = kits.map(async (kit, index) => {
      for (let batch = 0; batch < 50; batch++) {
        const texts = Array.from({ length: 10 }, (_, n) => `${index}:${batch * 10 + n}`);
        await Promise.all(texts.map((text) => kit.push!.publish("news", text)));
      }
    });
    await Promise.all(published);
    await until(() => listening.messages().length >= 1000, "all have come");
    for (const index of [0, 1]) {
      const mine = listening.messages().filter((text) => text.startsWith(`${index}:`));
      expect(mine).toEqual(Array.from({ length: 500 }, (_, n) => `${index}:${n}`));
    }
    expect(listening.told).toHaveLength(1001);
  });
});

describe("commands beside messages", () => {
  it("all run once and answer right under load", async () => {
    const { connection } = openWatched({ redis: server.url, deadline: 2000 });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    const load = startLoad(connection, { width: 20 });
    for (let round = 0; round < 40; round++) {
      await Promise.all(
        Array.from({ length: 25 }, (_, n) => server.client.publish("news", `${round * 25 + n}`)),
      );
      await load.answered(5);
    }
    expect(await load.audit(() => server.client)).toEqual([]);
    expect(load.codes()).toEqual([]);
    expect(listening.messages()).toEqual(Array.from({ length: 1000 }, (_, n) => String(n)));
  });
});

describe("a connection that nobody listens on", () => {
  it("sends no command for it, and none for who left before it was there", async () => {
    const proxy = await startProxy({ port: server.port });
    const { connection } = openWatched({ redis: `redis://127.0.0.1:${proxy.port}` });
    listen(connection).leave();
    await connection.ready();
    await connection.set("key", "value", { ttl: 60_000 });
    proxy.cut();
    await until(() => connection.state().state === "down", "the loss is seen");
    await connection.ready();
    await connection.get("key");
    expect(proxy.sent()).toContain("$3\r\nGET\r\n");
    expect(proxy.sent()).not.toMatch(/SUBSCRIBE/i);
    await connection.close();
    await proxy.stop();
  });

  it("is subscribed once for all who listen, until the last has left", async () => {
    const proxy = await startProxy({ port: server.port });
    const { connection } = openWatched({ redis: `redis://127.0.0.1:${proxy.port}` });
    const sent = (name: string) => proxy.sent().split(`\r\n${name}\r\n`).length - 1;
    await connection.ready();
    const listeners = [listen(connection), listen(connection), listen(connection)];
    await until(() => listeners.every((each) => each.isSubscribed()), "all are subscribed");
    expect(await listenersAt(server)).toBe(1);
    expect(sent("SUBSCRIBE")).toBe(1);
    listeners[0]!.leave();
    listeners[1]!.leave();
    await connection.ping();
    expect(await listenersAt(server)).toBe(1);
    listeners[2]!.leave();
    await connection.ping();
    expect(await listenersAt(server)).toBe(0);
    expect(sent("UNSUBSCRIBE")).toBe(1);
    await connection.close();
    await proxy.stop();
  });

  it("leaves and comes back in one tick without a gap in its commands' answers", async () => {
    const { connection } = openWatched({ redis: server.url });
    const others = [listen(connection, "a"), listen(connection, "b")];
    await until(() => others.every((each) => each.isSubscribed()), "both are subscribed");
    let listening = listen(connection);
    for (let round = 0; round < 50; round++) {
      const answer = connection.get(`none:${round}`);
      listening.leave();
      listening = listen(connection);
      expect(await answer).toBeNull();
      await connection.set("key", String(round), { ttl: 60_000 });
      expect(await connection.get("key")).toBe(String(round));
    }
    await until(listening.isSubscribed, "it is subscribed");
    await connection.push!.publish("news", "1");
    await until(() => listening.messages().length === 1, "it has come");
    expect(others.map(({ told }) => told)).toEqual([["subscribed"], ["subscribed"]]);
  });
});
