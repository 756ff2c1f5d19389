/** Places with a server behind them for rounds, started by a test. */
import { memoryPlace, type Place, serverPlace } from "./guard-places.ts";
import { startCluster } from "./redis-cluster.ts";
import { startRedis } from "./redis-server.ts";

/** A place, and how to end it. */
export interface Deployment {
  readonly place: Place;
  stop(): Promise<void>;
}

/** How each is started: a Cluster has three masters, with a replica each. */
export const DEPLOYMENTS: Record<Place["kind"], () => Promise<Deployment>> = {
  memory: async () => ({ place: memoryPlace(), stop: async () => {} }),
  redis: async () => {
    const server = await startRedis();
    return {
      place: serverPlace("redis", server.url, [server.client]),
      stop: () => server.stop(),
    };
  },
  cluster: async () => {
    const cluster = await startCluster();
    const nodes = cluster.nodes.map(({ client }) => client);
    return {
      place: serverPlace("cluster", cluster.url, nodes),
      stop: () => cluster.stop(),
    };
  },
};
