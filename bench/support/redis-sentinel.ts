/** A private master with two replicas, watched by three sentinels. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRedis, type RedisServer, startRedis } from "./redis-server.ts";
import type { Shard } from "./redis-cluster.ts";
import { until } from "./until.ts";

/** How long a master must be silent to be taken for dead, in milliseconds. */
export const DOWN_AFTER = 1000;
/** The name that the sentinels know the master by. */
export const MASTER_NAME = "bench";

const SENTINELS = 3;

/** A deployment that a benchmark may do anything to. */
export interface RedisSentinel {
  readonly sentinels: readonly RedisServer[];
  readonly master: Shard["master"];
  readonly replicas: readonly RedisServer[];
  stop(this: void): Promise<void>;
}

async function startSentinel(masterPort: number): Promise<RedisServer> {
  const server = await createRedis({
    args: ({ folder }) => {
      // A sentinel keeps its state in its file of settings.
      const file = join(folder, "sentinel.conf");
      const lines = [
        `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 2`,
        `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER}`,
        `sentinel failover-timeout ${MASTER_NAME} 5000`,
      ];
      writeFileSync(file, `${lines.join("\n")}\n`);
      return [file, "--sentinel"];
    },
  });
  await server.start();
  return server;
}

/** The port of the master that a sentinel sends clients to. */
export async function masterNamedBy({ client }: RedisServer): Promise<number> {
  const address = await client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME);
  return Number((address as string[])[1]);
}

async function seesAll({ client }: RedisServer): Promise<boolean> {
  const reply = (await client.call("SENTINEL", "MASTER", MASTER_NAME)) as string[];
  const of = (field: string): number => Number(reply[reply.indexOf(field) + 1]);
  return of("num-slaves") === 2 && of("num-other-sentinels") === SENTINELS - 1;
}

/** Starts a deployment and waits until all know each other. */
export async function startSentinels(): Promise<RedisSentinel> {
  const diskless = ["--repl-diskless-sync-delay", "0"];
  const master = await startRedis({ args: () => diskless });
  const following = [...diskless, "--replicaof", "127.0.0.1", `${master.port}`];
  const replicas = await Promise.all([1, 2].map(() => startRedis({ args: () => following })));
  await until(
    async () => (await master.client.info("replication")).match(/state=online/g)?.length === 2,
    "both replicas follow",
  );
  const sentinels: RedisServer[] = [];
  for (let index = 0; index < SENTINELS; index += 1) {
    sentinels.push(await startSentinel(master.port));
  }
  await until(
    async () => (await Promise.all(sentinels.map(seesAll))).every(Boolean),
    "all sentinels know each other and both replicas",
  );
  return {
    sentinels,
    master,
    replicas,
    stop: async () => {
      await Promise.all([...sentinels, ...replicas, master].map((server) => server.stop()));
    },
  };
}
