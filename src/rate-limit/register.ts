/** What each type means: what keeps two limiters from misreading one another's keys, and lets a key be looked at. */
import { type Context, perKit } from "../context.ts";
import { KitError } from "../errors.ts";
import type { AlgorithmName } from "./options.ts";
import type { Policy } from "./plan.ts";
import type { Quotas } from "./quotas.ts";

/** What the numbers in a type's keys mean; a bare store does not know its limit and window at first. */
export interface Meaning {
  readonly algorithm: AlgorithmName;
  readonly quotas?: Quotas | undefined;
  /** Which identities its keys are made of, or `own` for the application's; undefined where that is not known. */
  readonly by?: Policy["by"] | "own" | undefined;
  /** How much of an IPv6 address counts, or that it depends on the request. */
  readonly ipv6Subnet?: number | false | "depends" | undefined;
}

/** The types of each kit. */
const typesOf = perKit(() => new Map<string, Meaning>());

/** The option in which two meanings differ. Two functions may answer the same; what they answer is not known yet. */
function difference(one: Meaning, other: Meaning): string | undefined {
  if (one.algorithm !== other.algorithm) return "algorithm";
  if (one.by !== undefined && other.by !== undefined) {
    if (one.by !== other.by) return "by";
    if (one.by !== "own" && one.ipv6Subnet !== other.ipv6Subnet) return "ipv6Subnet";
  }
  const [mine, its] = [one.quotas, other.quotas];
  if (mine === undefined || its === undefined) return undefined;
  if (typeof mine === "function" || typeof its === "function")
    return typeof mine === typeof its ? undefined : "limit";
  if (mine.length !== its.length) return "windows";
  for (const [index, quota] of mine.entries()) {
    const name = (["window", "limit", "burst"] as const).find(
      (each) => quota[each] !== its[index]![each],
    );
    if (name !== undefined) return name;
  }
  return undefined;
}

/**
 * Notes what a limiter means by its type.
 *
 * @throws KitError `RATE_LIMIT_TYPE_CONFLICT` where another one means something else
 */
export function register(context: Context, type: string, meaning: Meaning): void {
  const known = typesOf(context);
  const other = known.get(type);
  known.set(type, { ...other, ...meaning });
  const differing = other && difference(other, meaning);
  if (differing === undefined) return;
  known.set(type, other!);
  throw new KitError("RATE_LIMIT_TYPE_CONFLICT", {
    message: `Two limiters of the type '${type}' count on the same keys, but differ in \`${differing}\`.`,
    fix: `Give one of them a type of its own: rateLimit('${type}-2', { … }).`,
  });
}

/** What a type means; undefined for one that no limiter of this process has. */
export function meaningOf(context: Context, type: string): Meaning | undefined {
  return typesOf(context).get(type);
}
