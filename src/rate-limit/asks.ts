/** The keys that a request is held against. */
import type { Context } from "../context.ts";
import type { Ask } from "./counter.ts";
import { clientAddress, type KnownRequest } from "../request.ts";
import { type Sender, senderOf } from "./identities.ts";
import type { FixedPolicy, LimiterPlan } from "./plan.ts";
import type { createTerms, Terms } from "./terms.ts";

/** The identities of a request that a policy counts: none, one, or several. */
function identitiesOf(
  { by }: FixedPolicy,
  { address, accounts }: Sender,
  own: readonly (readonly string[])[] | undefined,
): readonly (readonly string[])[] {
  switch (by) {
    case "address":
      return [[address]];
    case "account":
      return accounts.map((account) => [account]);
    case "address-and-account":
      return accounts.map((account) => [address, account]);
    default:
      return own ?? [[address]];
  }
}

/** Makes them. A policy whose identity is missing asks nothing. */
export function asksOf({ keys }: Context, terms: Terms, sender: Sender): readonly Ask[] {
  const { policies, cost } = terms;
  const asks: Ask[] = [];
  for (const policy of policies) {
    const { type, names, quotas } = policy;
    for (const identity of identitiesOf(policy, sender, terms.identities)) {
      asks.push({ type, names, key: keys.rateLimit(type, identity), quotas, cost });
    }
  }
  return asks;
}

/**
 * The one key that a request will be held against, before it has come to the limiter; undefined where that
 * depends on a function of the application's, or where the algorithm counts what it holds (fixed window).
 */
export function askAhead(
  context: Context,
  { algorithm, options, verdict }: LimiterPlan,
  terms: ReturnType<typeof createTerms>,
  request: KnownRequest,
): Ask | undefined {
  if (typeof terms === "function" || options.skip || algorithm === "fixed-window") return undefined;
  const client = clientAddress(request, context.config.trust);
  if (verdict?.(client) !== undefined) return undefined;
  const asks = asksOf(context, terms, senderOf(context, terms, client));
  return asks.length === 1 ? asks[0] : undefined;
}
