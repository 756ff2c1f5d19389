/** Many processes, one key: exactly the limit is admitted. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { type LimiterProcesses, startLimiters } from "../support/limiter-processes.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startRedis, until } from "../support/redis-server.ts";

const PROCESSES = 8;
const LIMIT = 1000;
const ORDER = { connections: 50, requests: 400 };

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).toReversed()) await end();
});

async function start(
  redis: string,
  algorithm: "sliding-window" | "token-bucket" | "fixed-window",
): Promise<LimiterProcesses> {
  // A day's bucket gets its next token after 86 s: none, as long as a test lasts.
  const limiters = await startLimiters(PROCESSES, { redis, limit: LIMIT, window: "1d", algorithm });
  ending.push(() => limiters.end());
  return limiters;
}

describe(`${PROCESSES} processes with ${ORDER.connections} connections each`, () => {
  it.each(["sliding-window", "token-bucket", "fixed-window"] as const)(
    "get exactly the limit through together: %s",
    async (algorithm) => {
      const server = await startRedis({ tcp: true });
      ending.push(() => server.stop());
      const limiters = await start(server.url, algorithm);
      const { admitted, refused, failed } = await limiters.flood(ORDER);
      expect({ admitted, failed }).toEqual({ admitted: LIMIT, failed: 0 });
      expect(refused).toBe(PROCESSES * ORDER.requests - LIMIT);
    },
  );

  it("get exactly the limit through a Cluster whose scripts are flushed in the middle", async () => {
    const cluster = await startCluster();
    ending.push(() => cluster.stop());
    const limiters = await start(cluster.url, "sliding-window");
    const key = "ratelimit:api:127.0.0.1";
    const flood = limiters.flood(ORDER);
    const master = await cluster.masterOf(key);
    const used = async () => Number((await master.client.get(key))?.split(" ")[6] ?? 0);
    let flushes = 0;
    for (const share of [0.1, 0.3, 0.5, 0.7]) {
      await until(async () => (await used()) >= share * LIMIT, `${share} of the limit is used`);
      await Promise.all(
        (await cluster.masters()).map(({ client }) => client.script("FLUSH", "SYNC")),
      );
      flushes += 1;
    }
    const { admitted, refused, failed } = await flood;
    expect({ admitted, failed, flushes }).toEqual({ admitted: LIMIT, failed: 0, flushes: 4 });
    expect(refused).toBe(PROCESSES * ORDER.requests - LIMIT);
  });
});
