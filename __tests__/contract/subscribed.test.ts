/** The contract over a connection on whose socket messages pour in meanwhile: its replies are as they were. */
import { afterAll, beforeAll, beforeEach } from "@jest/globals";
import { declareContract } from "../support/connection-contract.ts";
import { openWatched } from "../support/connections.ts";
import { listen } from "../support/listening.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let server: RedisServer;

/** Messages that look like replies, until the server is stopped. */
async function pour(): Promise<void> {
  const texts = ["subscribe", "*1\r\n$2\r\nOK\r\n", "message", "x".repeat(5000), "+OK"];
  for (;;) await Promise.all(texts.map((text) => server.client.publish("noise", text)));
}

beforeAll(async () => {
  server = await startRedis({ tcp: true });
  pour().catch(() => {});
});
beforeEach(async () => {
  await server.client.flushall();
});
afterAll(() => server.stop());

declareContract(async () => {
  const { connection } = openWatched({ redis: server.url });
  const listening = listen(connection, "noise");
  await until(() => listening.messages().length > 0, "the noise has begun");
  return connection;
});
