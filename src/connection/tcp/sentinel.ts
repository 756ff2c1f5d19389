/** Finds the master that a group of Sentinels agrees on. */
import type { Endpoint } from "../../config/redis-target.ts";
import { KitError } from "../../errors.ts";
import type { Link } from "./link.ts";

/** Where the Sentinels are, and how one is asked. */
export interface SentinelPlan {
  readonly sentinels: readonly Endpoint[];
  readonly master: string;
  open(sentinel: Endpoint): Link;
}

function unknownMaster(name: string): KitError {
  return new KitError("SENTINEL_UNKNOWN_MASTER", {
    message: `The Sentinels know no master called '${name}'.`,
    fix: "End the URL with the name that `SENTINEL MASTERS` lists: redis+sentinel://host:26379/mymaster.",
    status: 503,
    retryAfter: 1,
    outcome: "notSent",
  });
}

/** Asks one, over a connection that is closed again; undefined where it knows no such master. */
async function ask(plan: SentinelPlan, sentinel: Endpoint): Promise<Endpoint | undefined> {
  const link = plan.open(sentinel);
  try {
    const reply = await link.send(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", plan.master]);
    if (!Array.isArray(reply)) return undefined;
    const [host, port] = reply as [string, string];
    return { host, port: Number(port) };
  } finally {
    await link.close();
  }
}

/**
 * Answers where the master is, by the first Sentinel that says so. The one that answered last is asked
 * first the next time.
 */
export function createMasterFinder(plan: SentinelPlan): () => Promise<Endpoint> {
  let order = plan.sentinels;
  return async () => {
    let failure: unknown = unknownMaster(plan.master);
    for (const sentinel of order) {
      try {
        // eslint-disable-next-line no-await-in-loop -- the next one is asked only where this one fails
        const master = await ask(plan, sentinel);
        if (master === undefined) continue;
        order = [sentinel, ...order.filter((other) => other !== sentinel)];
        return master;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };
}
