/** Failover of a master that sentinels watch. */
import { isMaster } from "../support/redis-cluster.ts";
import { masterNamedBy, startSentinels } from "../support/redis-sentinel.ts";
import { type Deployment, failoverReport } from "./failover.ts";
import type { Scenario } from "./scenario.ts";

async function make(): Promise<Deployment> {
  const { sentinels, master, replicas, stop } = await startSentinels();
  return {
    place: { kind: "sentinel", ports: sentinels.map(({ port }) => port) },
    master,
    hasSuccessor: async () => {
      const named = await Promise.all(sentinels.map(masterNamedBy));
      return named.some((port) => port !== master.port);
    },
    isAffected: () => true,
    holderOf: async () => ((await isMaster(replicas[0]!)) ? replicas[0]! : replicas[1]!),
    stop,
  };
}

/** Runs the scenario. */
export const sentinel: Scenario = (rounds) => failoverReport("Sentinel", make, rounds);
