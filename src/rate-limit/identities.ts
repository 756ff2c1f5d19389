/** Whom a request counts for: the keys that it is held against. */
import type { Request, Response } from "express";
import type { Context } from "../context.ts";
import { addressIdentity, clientAddress } from "../request.ts";
import { normalizeAccount } from "./account.ts";
import type { Ask } from "./counter.ts";
import { invalidOption, parseCount } from "../validate.ts";
import type { LimiterPlan, Policy } from "./options.ts";

function identityText(identity: unknown): string {
  if (typeof identity === "string" || typeof identity === "number") return String(identity);
  throw invalidOption("keyGenerator()", identity, "a string that tells one client from another");
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
  const account = isAuth ? normalizeAccount(plan.account(request)) : undefined;
  if (isAuth && account === undefined) {
    notices.add(
      "rateLimit('auth') found no account in a request and counted its address alone: mount a body parser before it, or pass `account`.",
    );
  }
  const identityOf = async (policy: Policy): Promise<readonly string[] | undefined> => {
    if (policy.by === "address") return [address];
    if (policy.by === "identity") {
      return [
        plan.keyGenerator ? identityText(await plan.keyGenerator(request, response)) : address,
      ];
    }
    if (account === undefined) return undefined;
    return policy.by === "account" ? [account] : [address, account];
  };
  const asks = plan.policies.map(async (policy): Promise<Ask[]> => {
    const identity = await identityOf(policy);
    if (identity === undefined) return [];
    const limit =
      typeof policy.limit === "function"
        ? parseCount("limit()", await policy.limit(request, response), 0)
        : policy.limit;
    const key = keys.rateLimit(policy.type, identity);
    return [{ type: policy.type, key, quota: { limit, window: policy.window } }];
  });
  return (await Promise.all(asks)).flat();
}
