/** The keys that a request is held against. */
import type { Context } from "../context.ts";
import type { Ask } from "./counter.ts";
import type { Sender } from "./identities.ts";
import type { FixedPolicy } from "./plan.ts";
import type { Terms } from "./terms.ts";

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
