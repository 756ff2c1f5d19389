/** Whom a request counts for: the keys that it is held against. */
import type { Request, Response } from "express";
import type { Context } from "../context.ts";
import { addressIdentity, clientAddress } from "../request.ts";
import { idText } from "../id-text.ts";
import { normalizeAccounts } from "./account.ts";
import type { Ask } from "./counter.ts";
import { invalidOption, parseCount } from "../validate.ts";
import type { Identities, IdentityValue, LimiterPlan, Policy } from "./options.ts";

/** What an error calls the function of the user's; both names are one option. */
const ASKED = "by() or keyGenerator()";

function identityText(identity: unknown): string {
  const text = idText(identity);
  if (text !== undefined && text !== "") return text;
  throw invalidOption(ASKED, identity, "a text that tells one client from another");
}

/** Each identity once, as the segments of its key. */
function segmentsOf(identities: Identities): string[][] {
  if (!Array.isArray(identities)) return [[identityText(identities)]];
  if (identities.length === 0) throw invalidOption(ASKED, identities, "at least one identity");
  const segments = (identities as readonly IdentityValue[]).map((identity) =>
    [identity].flat().map(identityText),
  );
  return [...new Map(segments.map((texts) => [JSON.stringify(texts), texts])).values()];
}

/** The identities of a request that a policy counts: none, one, or several. */
async function identitiesOf(
  policy: Policy,
  plan: LimiterPlan,
  address: string,
  accounts: readonly string[],
  request: Request,
  response: Response,
): Promise<readonly (readonly string[])[]> {
  switch (policy.by) {
    case "address":
      return [[address]];
    case "account":
      return accounts.map((account) => [account]);
    case "address-and-account":
      return accounts.map((account) => [address, account]);
    default:
      return plan.identitiesOf
        ? segmentsOf(await plan.identitiesOf(request, response))
        : [[address]];
  }
}

/** Evaluates identities and limits, once a request. A policy whose identity is missing asks nothing. */
export async function asksOf(
  { config, keys, notices }: Context,
  plan: LimiterPlan,
  request: Request,
  response: Response,
): Promise<Ask[]> {
  const address = addressIdentity(clientAddress(request, config.trust));
  const isAuth = plan.policies.length > 1;
  const accounts = isAuth ? normalizeAccounts(plan.account(request)) : [];
  if (isAuth && accounts.length === 0) {
    notices.add(
      "rateLimit('auth') found no account in a request and counted its address alone: mount a body parser before it, or pass `account`.",
    );
  }
  const asks = plan.policies.map(async (policy): Promise<Ask[]> => {
    const identities = await identitiesOf(policy, plan, address, accounts, request, response);
    const { type, window } = policy;
    const limit =
      typeof policy.limit === "function"
        ? parseCount("limit()", await policy.limit(request, response), 0)
        : policy.limit;
    return identities.map((identity) => ({
      type,
      key: keys.rateLimit(type, identity),
      quota: { limit, window },
    }));
  });
  return (await Promise.all(asks)).flat();
}
