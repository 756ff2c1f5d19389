/** Failover of one of a Cluster's three masters. */
import { isMaster, startCluster } from "../support/redis-cluster.ts";
import { type Deployment, failoverReport } from "./failover.ts";
import type { Scenario } from "./scenario.ts";

async function make(): Promise<Deployment> {
  const cluster = await startCluster();
  const [failing] = cluster.shards;
  const isAffected = (key: string): boolean => cluster.shardOf(key) === failing;
  return {
    place: { kind: "cluster", ports: cluster.ports },
    master: failing!.master,
    hasSuccessor: () => isMaster(failing!.replica),
    isAffected,
    holderOf: async (key) => {
      const { master, replica } = cluster.shardOf(key);
      return isAffected(key) ? replica : master;
    },
    describe: async () => ((await isMaster(failing!.replica)) ? "promoted" : "not promoted"),
    stop: cluster.stop,
  };
}

/** Runs the scenario. */
export const cluster: Scenario = (rounds) => failoverReport("Cluster", make, rounds);
