import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, it, jest } from "@jest/globals";
import { openWatched, rejection } from "../support/connections.ts";
import { freePort, startRedis, until } from "../support/redis-server.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { kitConnections } from "../support/server-group.ts";
import { startProxy } from "../support/tcp-proxy.ts";

afterEach(() => void jest.restoreAllMocks());

it("a breaker that opens while its connection closes probes nothing", async () => {
  const server = await startRedis({ tcp: true });
  const { connection } = openWatched({ redis: server.url, deadline: 100 });
  await connection.ready();
  await connection.get("key");
  server.kill("SIGSTOP");
  const late = Array.from({ length: 10 }, () => rejection(connection.get("key")));
  await connection.close();
  await Promise.all(late);
  const timers = jest.spyOn(globalThis, "setTimeout");
  await new Promise((resolve) => setImmediate(resolve));
  await delay(500); // Longer than the longest pause between probes.
  expect(timers.mock.calls).toEqual([]);
  server.kill("SIGCONT");
  await server.stop();
});

it("credentials that are being asked for at the close are not asked for again", async () => {
  const server = await startRedis({ tcp: true, args: ["--requirepass", "s3cret"] });
  let asked = 0;
  let renew = (): void => {};
  let fails = (): Promise<void> | undefined => undefined;
  const { connection } = openWatched({
    redis: {
      url: server.url,
      credentials: async ({ reauthenticate }) => {
        renew = reauthenticate;
        asked += 1;
        await fails();
        return { password: "s3cret" };
      },
    },
  });
  await connection.ready();
  let refuse = (_error: Error): void => {};
  fails = () => new Promise((_, reject) => (refuse = reject));
  renew();
  await until(() => asked === 2, "it is asked");
  await connection.close();
  refuse(new Error("The vault is away."));
  await delay(700); // Longer than the first pause between renewals.
  expect(asked).toBe(2);
  await server.stop();
});

it("what is under way at a server that is being left is answered before the close", async () => {
  const server = await startRedis({ tcp: true });
  const proxy = await startProxy({ port: server.port });
  const redis = `redis://127.0.0.1:${proxy.port}`;
  const { connection } = openWatched({ redis, deadline: 5000 });
  await connection.ready();
  await delay(1100); // A younger connection is not left.
  await server.client.replicaof("127.0.0.1", 1);
  proxy.holdAnswers();
  const write = rejection(connection.set("key", "value", { ttl: 1000 }));
  const read = connection.get("key");
  proxy.delayAnswers(100);
  proxy.release();
  await connection.close();
  expect(await read).toBeNull();
  expect(await write).toMatchObject({ outcome: "notSent" });
  await proxy.stop();
  await server.stop();
});

it("a socket that is being opened is given up", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as { port: number };
  const { connection } = openWatched({ redis: `rediss://127.0.0.1:${port}` });
  const [socket] = (await once(silent, "connection")) as [Socket];
  const ended = once(socket.resume(), "close");
  await connection.close();
  await ended;
  silent.close();
});

it("a Cluster whose nodes are still being sought opens no connection", async () => {
  const cluster = await startCluster({ replicas: 0 });
  const dead = await freePort();
  const redis = cluster.url.replace("redis://", `redis://127.0.0.1:${dead},`);
  for (let round = 0; round < 3; round++) await openWatched({ redis }).connection.close();
  await delay(300); // Longer than a start takes.
  for (const node of cluster.nodes) expect(await kitConnections(node)).toBe(0);
  await cluster.stop();
});
