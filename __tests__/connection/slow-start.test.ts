import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "@jest/globals";
import { createServer, type AddressInfo, type Server } from "node:net";
import { once } from "node:events";
import { openWatched, rejection } from "../support/connections.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

let server: RedisServer;
let proxy: TcpProxy;
let url: string;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
});
beforeEach(async () => {
  proxy = await startProxy({ port: server.port });
  url = `redis://127.0.0.1:${proxy.port}`;
});
afterEach(() => proxy.stop());
afterAll(() => server.stop());

it("a first answer that is slower than any later one may be still takes one connection only", async () => {
  // Longer than the 500 ms after which a socket of a connection that was ready is given up.
  proxy.delayConnects(1200);
  const { connection, errors } = openWatched({
    redis: url,
    deadline: 100,
    connectDeadline: 10_000,
  });
  await expect(connection.ready()).resolves.toBeUndefined();
  await expect(connection.get("nothing")).resolves.toBeNull();
  expect(errors).toEqual([]);
  expect(proxy.accepted()).toBe(1);
});

it("ready() says that what answers is no Redis, instead of trying for ever in silence", async () => {
  const web: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  }).listen(0, "127.0.0.1");
  await once(web, "listening");
  try {
    const { port } = web.address() as AddressInfo;
    const { connection, errors } = openWatched({ redis: `redis://127.0.0.1:${port}` });
    const error = await rejection(connection.ready());
    expect(error.message).toContain(`127.0.0.1:${port}`);
    await until(() => errors.length > 0, "it is reported");
  } finally {
    web.close();
  }
});
