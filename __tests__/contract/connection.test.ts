import { afterAll, beforeAll, beforeEach, describe } from "@jest/globals";
import { createMemory } from "../../src/connection/memory/memory.ts";
import { declareContract } from "../support/connection-contract.ts";
import { openWatched } from "../support/connections.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

describe("the connection to memory", () => {
  declareContract(createMemory);
});

describe("the connection to redis-server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(async () => {
    await server.client.flushall();
  });
  afterAll(() => server.stop());
  declareContract(() => openWatched({ redis: server.url }).connection);
});
