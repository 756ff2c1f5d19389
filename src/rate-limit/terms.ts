/** What a limiter's options come to for one request: those that are functions, evaluated once. */
import type { Request, Response } from "express";
import { parseCount } from "../validate.ts";
import { normalizeAccounts } from "./account.ts";
import type { Quota } from "./algorithms/algorithm.ts";
import { eachOf } from "./identities.ts";
import { parseIdentifier, parseSubnet } from "./option-types.ts";
import type { FixedPolicy, LimiterPlan, Policy } from "./plan.ts";
import { namesOf } from "./quotas.ts";

/** The terms of one request. */
export interface Terms {
  readonly policies: readonly FixedPolicy[];
  readonly cost: number;
  readonly ipv6Subnet: number | false;
  /** What `by` answered; undefined for the client's address. */
  readonly identities: readonly (readonly string[])[] | undefined;
  /** Whom a sign-in is for; undefined where it is none. */
  readonly accounts: readonly string[] | undefined;
}

function fix({ type, by }: Policy, quotas: readonly Quota[], name: string): FixedPolicy {
  return { type, by, quotas, names: namesOf(name, quotas) };
}

/** The terms of all requests where no option is a function, as most are; otherwise what answers those of one. */
export function createTerms({
  main,
  further,
  cost,
  ipv6Subnet,
  identitiesOf,
  account,
}: LimiterPlan): Terms | ((request: Request, response: Response) => Promise<Terms>) {
  const { quotas, name } = main;
  if (
    typeof quotas !== "function" &&
    typeof name !== "function" &&
    typeof cost !== "function" &&
    typeof ipv6Subnet !== "function" &&
    identitiesOf === undefined &&
    account === undefined
  ) {
    const policies = [fix(main, quotas, name), ...further];
    return { policies, cost, ipv6Subnet, identities: undefined, accounts: undefined };
  }
  return async (request, response) => {
    const subnet =
      typeof ipv6Subnet === "function" ? await ipv6Subnet(request, response) : ipv6Subnet;
    const identities = await identitiesOf?.(request, response);
    const price = typeof cost === "function" ? await cost(request, response) : cost;
    const current = typeof quotas === "function" ? await quotas(request, response) : quotas;
    const called = typeof name === "function" ? await name(request, response) : name;
    return {
      policies: [fix(main, current, parseIdentifier(called)), ...further],
      cost: parseCount("cost()", price, 0),
      ipv6Subnet: parseSubnet(subnet),
      identities: identitiesOf && eachOf(identities),
      accounts: account && normalizeAccounts(await account(request)),
    };
  };
}
