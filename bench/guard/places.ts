/** Private places for the rounds of the guard: started for one run, ended with it. */
import { Redis } from "ioredis";
import { memoryPlace, type Place, serverPlace } from "../../__tests__/support/guard-places.ts";
import { startCluster } from "../support/redis-cluster.ts";
import { startRedis } from "../support/redis-server.ts";

/** A place, and how to end it. */
export interface Started {
  readonly place: Place;
  stop(): Promise<void>;
}

/** How each is started: a Cluster has three masters, with a replica each. */
export const PLACES: Readonly<Record<Place["kind"], () => Promise<Started>>> = {
  memory: async () => ({ place: memoryPlace(), stop: async () => {} }),
  redis: async () => {
    const server = await startRedis();
    const place = serverPlace("redis", `unix://${server.socketPath}`, [server.client]);
    return { place, stop: () => server.stop() };
  },
  cluster: async () => {
    const cluster = await startCluster();
    const nodes = cluster.ports.map((port) => new Redis({ host: "127.0.0.1", port }));
    const url = `redis://${cluster.ports.map((port) => `127.0.0.1:${port}`).join(",")}`;
    return {
      place: serverPlace("cluster", url, nodes),
      stop: async () => {
        for (const node of nodes) node.disconnect();
        await cluster.stop();
      },
    };
  },
};
