/** Whom a request counts for, and for how much: the keys that it is held against. */
import type { Request, Response } from "express";
import type { Context } from "../context.ts";
import { addressIdentity, clientAddress } from "../request.ts";
import { idText } from "../id-text.ts";
import { normalizeAccounts } from "./account.ts";
import type { Ask } from "./counter.ts";
import { invalidOption, parseCount } from "../validate.ts";
import type { Identities, IdentityValue } from "./options.ts";
import { parseIdentifier, parseSubnet } from "./option-types.ts";
import type { LimiterPlan, Policy } from "./plan.ts";
import { namesOf } from "./quotas.ts";

/** Who sent a request, as far as a limiter looks at it. */
export interface Sender {
  readonly address: string;
  /** Of a sign-in; otherwise empty. */
  readonly accounts: readonly string[];
}

/** What an error calls the function of the user's; both names are one option. */
const ASKED = "by() or keyGenerator()";

function identityText(identity: unknown): string {
  const text = idText(identity);
  if (text !== undefined && text !== "") return text;
  throw invalidOption(ASKED, identity, "a text that tells one client from another");
}

/** An identity as the segments of its key. */
export function segmentsOf(identity: IdentityValue): string[] {
  return [identity].flat().map(identityText);
}

/** Each identity once. */
function eachOf(identities: Identities): string[][] {
  if (!Array.isArray(identities)) return [[identityText(identities)]];
  if (identities.length === 0) throw invalidOption(ASKED, identities, "at least one identity");
  const segments = (identities as readonly IdentityValue[]).map(segmentsOf);
  return [...new Map(segments.map((texts) => [JSON.stringify(texts), texts])).values()];
}

/** Reads who sent a request. */
export async function senderOf(
  { config, notices }: Context,
  plan: LimiterPlan,
  request: Request,
  response: Response,
): Promise<Sender> {
  const { ipv6Subnet: subnet } = plan;
  const address = addressIdentity(
    clientAddress(request, config.trust),
    typeof subnet === "function" ? parseSubnet(await subnet(request, response)) : subnet,
  );
  if (plan.policies.length === 1) return { address, accounts: [] };
  const accounts = normalizeAccounts(plan.account(request));
  if (accounts.length === 0) {
    notices.add(
      "rateLimit('auth') found no account in a request and counted its address alone: mount a body parser before it, or pass `account`.",
    );
  }
  return { address, accounts };
}

/** The identities of a request that a policy counts: none, one, or several. */
async function identitiesOf(
  policy: Policy,
  plan: LimiterPlan,
  { address, accounts }: Sender,
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
      return plan.identitiesOf ? eachOf(await plan.identitiesOf(request, response)) : [[address]];
  }
}

/** Evaluates identities, quotas and cost, once a request. A policy whose identity is missing asks nothing. */
export async function asksOf(
  { keys }: Context,
  plan: LimiterPlan,
  sender: Sender,
  request: Request,
  response: Response,
): Promise<Ask[]> {
  const cost =
    typeof plan.cost === "function"
      ? parseCount("cost()", await plan.cost(request, response), 0)
      : plan.cost;
  const asks = plan.policies.map(async (policy): Promise<Ask[]> => {
    const identities = await identitiesOf(policy, plan, sender, request, response);
    const { type } = policy;
    const quotas =
      typeof policy.quotas === "function" ? await policy.quotas(request, response) : policy.quotas;
    const name =
      typeof policy.name === "function"
        ? parseIdentifier(await policy.name(request, response))
        : policy.name;
    const names = namesOf(name, quotas);
    return identities.map((identity) => ({
      type,
      names,
      key: keys.rateLimit(type, identity),
      quotas,
      cost,
    }));
  });
  return (await Promise.all(asks)).flat();
}
