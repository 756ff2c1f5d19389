/** One type, one meaning: what keeps two limiters from misreading one another's keys. */
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";

/** What the numbers in a type's keys mean; a bare store does not know its limit and window. */
export interface Meaning {
  readonly algorithm: string;
  readonly limit?: unknown;
  readonly window?: number;
}

const NAMES = ["algorithm", "limit", "window"] as const;

/** The types of each kit. */
const registers = new WeakMap<Context, Map<string, Meaning>>();

/** Two functions may answer the same; what they answer is not known yet. */
function isConflict(one: unknown, other: unknown): boolean {
  if (one === undefined || other === undefined) return false;
  return one !== other && !(typeof one === "function" && typeof other === "function");
}

/**
 * Notes what a limiter means by its type.
 *
 * @throws KitError `RATE_LIMIT_TYPE_CONFLICT` where another one means something else
 */
export function register(context: Context, type: string, meaning: Meaning): void {
  const known = registers.get(context) ?? new Map<string, Meaning>();
  registers.set(context, known);
  const other = known.get(type);
  known.set(type, { ...meaning, ...other });
  const differing = NAMES.find((name) => isConflict(other?.[name], meaning[name]));
  if (differing === undefined) return;
  throw new KitError("RATE_LIMIT_TYPE_CONFLICT", {
    message: `Two limiters of the type '${type}' count on the same keys, but differ in \`${differing}\`.`,
    fix: `Give one of them a type of its own: rateLimit('${type}-2', { … }).`,
  });
}
