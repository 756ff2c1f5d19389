/** One type, one meaning: what keeps two limiters from misreading one another's keys. */
import { KitError } from "../errors.ts";
import type { Policy } from "./options.ts";

/** Limiters of one type share their keys, so they must agree on what the numbers in them mean. */
export function createRegister(): (policy: Policy, algorithm: string) => void {
  const known = new Map<string, { policy: Policy; algorithm: string }>();
  return (policy, algorithm) => {
    const other = known.get(policy.type);
    known.set(policy.type, other ?? { policy, algorithm });
    if (other === undefined) return;
    const { limit, window } = other.policy;
    if (limit === policy.limit && window === policy.window && other.algorithm === algorithm) return;
    throw new KitError("RATE_LIMIT_TYPE_CONFLICT", {
      message: `Two limiters of the type '${policy.type}' count on the same keys, but differ in limit, window or algorithm.`,
      fix: `Give one of them a type of its own: rateLimit('${policy.type}-2', { … }).`,
    });
  };
}
