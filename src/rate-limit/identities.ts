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
function senderOf(
  { config, notices }: Context,
  plan: LimiterPlan,
  request: Request,
  subnet: number | false | undefined,
): Sender {
  const address = addressIdentity(clientAddress(request, config.trust), subnet);
  if (!plan.isAuth) return { address, accounts: NONE };
  const accounts = normalizeAccounts(plan.account(request));
  if (accounts.length === 0) {
    notices.add(
      "rateLimit('auth') found no account in a request and counted its address alone: mount a body parser before it, or pass `account`.",
    );
  }
  return { address, accounts };
}

const NONE: readonly string[] = [];

/** The identities of a request that a policy counts: none, one, or several. */
function identitiesOf(
  { by }: Policy,
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

/** A request's sender and the keys that it is held against. */
export interface Questions {
  readonly sender: Sender;
  readonly asks: readonly Ask[];
}

/**
 * Evaluates identities, quotas and cost, once a request. A policy whose identity is missing asks nothing.
 *
 * Nothing is awaited but the application's own functions: most limiters have none.
 */
export async function questionsOf(
  context: Context,
  plan: LimiterPlan,
  request: Request,
  response: Response,
): Promise<Questions> {
  const { ipv6Subnet, cost } = plan;
  const subnet =
    typeof ipv6Subnet === "function"
      ? parseSubnet(await ipv6Subnet(request, response))
      : ipv6Subnet;
  const sender = senderOf(context, plan, request, subnet);
  const own = plan.identitiesOf && eachOf(await plan.identitiesOf(request, response));
  const price =
    typeof cost === "function" ? parseCount("cost()", await cost(request, response), 0) : cost;
  const asks: Ask[] = [];
  for (const policy of plan.policies) {
    const { type, quotas, name } = policy;
    /* oxlint-disable eslint/no-await-in-loop -- only the first policy has functions */
    const current = typeof quotas === "function" ? await quotas(request, response) : quotas;
    const called = typeof name === "function" ? await name(request, response) : name;
    /* oxlint-enable eslint/no-await-in-loop */
    const names = policy.names ?? namesOf(parseIdentifier(called), current);
    for (const identity of identitiesOf(policy, sender, own)) {
      const key = context.keys.rateLimit(type, identity);
      asks.push({ type, names, key, quotas: current, cost: price });
    }
  }
  return { sender, asks };
}
