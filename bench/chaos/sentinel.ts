/** Failover of a master that sentinels watch. */
import { isMaster } from "../support/redis-cluster.ts";
import { masterNamedBy, startSentinels } from "../support/redis-sentinel.ts";
import { type Deployment, failoverReport } from "./failover.ts";
import type { Scenario } from "./scenario.ts";

async function make(): Promise<Deployment> {
  const { sentinels, master, replicas, stop } = await startSentinels();
  const named = (): Promise<number[]> => Promise.all(sentinels.map(masterNamedBy));
  const nameOf = (port: number): string => (port === master.port ? "old master" : `${port}`);
  return {
    place: { kind: "sentinel", ports: sentinels.map(({ port }) => port) },
    master,
    hasSuccessor: async () => (await named()).some((port) => port !== master.port),
    isAffected: () => true,
    holderOf: async () => {
      const [port, ...others] = await named();
      const holder = replicas.find((replica) => replica.port === port);
      if (holder === undefined || others.some((other) => other !== port)) {
        throw new Error("The sentinels do not agree on a new master.");
      }
      return holder;
    },
    describe: async () => {
      const areMasters = await Promise.all(replicas.map(isMaster));
      const masters = replicas.filter((_, index) => areMasters[index]).map(({ port }) => port);
      const names = (await named()).map(nameOf);
      return `sentinels name ${names.join(", ")}; promoted: ${masters.join(", ") || "none"}`;
    },
    stop,
  };
}

/** Runs the scenario. */
export const sentinel: Scenario = (rounds) => failoverReport("Sentinel", make, rounds);
