/** `rateLimit()`: the middleware that counts a request, and lets it pass or refuses it. */
import type { Request, Response } from "express";
import type { AugmentedRequest, ClientRateLimitInfo } from "express-rate-limit";
import type { Context } from "../context.ts";
import type { Need } from "../prefetch/prefetch.ts";
import { clientAddress, type Middleware } from "../request.ts";
import { makeRoomy } from "../roomy.ts";
import { ALGORITHMS } from "./algorithms/by-name.ts";
import { askAhead, asksOf } from "./asks.ts";
import { createChecks } from "./checks.ts";
import { type Counter, createCounter } from "./counter.ts";
import { writeHeaders } from "./headers.ts";
import type { Held } from "./holds.ts";
import { senderOf } from "./identities.ts";
import { createOperations, type KeyOperations, type RateLimitOperations } from "./operations.ts";
import type { RateLimitOptions } from "./options.ts";
import { type LimiterPlan, planLimiter } from "./plan.ts";
import { createRefusal, type Next, turnAway } from "./refusal.ts";
import { register } from "./register.ts";
import { rowsOf, strictest } from "./rows.ts";
import { RateLimitInfo } from "./info.ts";
import { settleAfter } from "./settlement.ts";
import { markRefused } from "../refused.ts";
import { createTelling } from "./telling.ts";
import { createTerms } from "./terms.ts";

/** A limiter; beside the middleware it has what express-rate-limit's has. */
export interface RateLimitMiddleware extends Middleware {
  /** Forgets what an identity has used. */
  resetKey(key: string): Promise<void>;
  /** What an identity has used, and until when; undefined for one that was never seen. */
  getKey(key: string): Promise<ClientRateLimitInfo | undefined>;
}

/** Makes limiters, and looks at what they count. */
export interface RateLimit extends RateLimitOperations {
  (type?: string | RateLimitOptions, options?: RateLimitOptions): RateLimitMiddleware;
}

/** Makes the `rateLimit()` of one kit. */
export function createRateLimit(context: Context): RateLimit {
  const operations = createOperations(context);
  const { peek, reset, block } = operations;
  const make = (
    first?: string | RateLimitOptions,
    second?: RateLimitOptions,
  ): RateLimitMiddleware => {
    const plan = planLimiter(first, second);
    const { algorithm, identitiesOf, ipv6Subnet: subnet } = plan;
    const policies = [plan.main, ...plan.further];
    for (const { type, quotas, by } of policies) {
      const isOwn = by === "identity" && identitiesOf !== undefined;
      const ipv6Subnet = typeof subnet === "function" ? "depends" : subnet;
      register(context, type, { algorithm, quotas, by: isOwn ? "own" : by, ipv6Subnet });
    }
    const types = policies.map(({ type }) => type);
    return Object.assign(limiterOf(context, plan), byKey(context, types, operations));
  };
  return Object.assign(make, { peek, reset, block });
}

/** express-rate-limit's `resetKey` and `getKey`, for an identity or for what `req.rateLimit.key` says. */
function byKey(
  { keys }: Context,
  types: readonly string[],
  { keyOf, peekAt, resetAt }: KeyOperations,
): Pick<RateLimitMiddleware, "resetKey" | "getKey"> {
  const find = (key: string): { type: string; key: string } => {
    const type = types.find((each) => key.startsWith(keys.rateLimit(each, [""])));
    if (type !== undefined) return { type, key };
    return { type: types[0]!, key: keyOf(types[0]!, key) };
  };
  return {
    resetKey: async (key) => void (await resetAt(find(key).key)),
    getKey: async (id) => {
      const { type, key } = find(id);
      const { used, reset } = await peekAt(type, key);
      return used === 0 ? undefined : { totalHits: used, resetTime: new Date(Date.now() + reset) };
    },
  };
}

/** Holds requests before they come to the limiter. */
function needOf(
  context: Context,
  plan: LimiterPlan,
  { holds }: Counter,
  termsOf: ReturnType<typeof createTerms>,
): Need<Held> {
  return context.prefetch.need<Held>({
    ask: (request, isAsked, mayHold) => {
      const ask = askAhead(context, plan, termsOf, request);
      if (ask === undefined) return undefined;
      if (holds.isDenied(ask)) return plan.shadow ? undefined : holds.hold(ask);
      // Of two of one type, which may not both come, one would stand in the other's way.
      return mayHold && !isAsked(ask.key) ? holds.hold(ask) : undefined;
    },
    admits: ({ decision }) =>
      decision.then(
        ({ admitted }) => plan.shadow || admitted,
        () => plan.onRedisError !== "closed",
      ),
    drop: (held) => holds.release(held),
  });
}

function limiterOf(context: Context, plan: LimiterPlan): Middleware {
  const { config } = context;
  const counter = createCounter(context, ALGORITHMS[plan.algorithm], plan.onRedisError);
  const checks = createChecks(context, plan);
  const tell = createTelling(context, plan);
  const refuseWith = createRefusal(plan, config.logger);
  const termsOf = createTerms(plan);
  const { skip } = plan.options;
  const need = needOf(context, plan, counter, termsOf);

  /** Counts a request, and answers it where it is refused. */
  const isPassing = async (request: Request, response: Response, next: Next): Promise<boolean> => {
    checks.request(request);
    const client = clientAddress(request, config.trust);
    const listed = plan.verdict?.(client);
    if (listed === "allow") return true;
    if (listed === "deny") {
      tell.denied(client);
      if (plan.shadow) return true;
      turnAway(request, response);
      markRefused(response);
      return false;
    }
    if (skip && (await skip(request, response))) return true;
    const terms = typeof termsOf === "function" ? await termsOf(request, response) : termsOf;
    const sender = senderOf(context, terms, client);
    const asks = asksOf(context, terms, sender);
    checks.asks(request, asks);
    const answers = await counter.take(asks, plan.isHeld ? "hold" : "take", {
      take: (key) => need.take(request, response, key),
      pass: () => need.pass(request),
    });
    if (answers === undefined || answers.length === 0) return true;
    const rows = rowsOf(answers);
    (request as AugmentedRequest)[plan.propertyName] = new RateLimitInfo(strictest(rows));
    if (!plan.shadow) writeHeaders(response, rows, plan.headers, plan.legacyHeaders);
    if (answers.every(({ decision }) => decision.admitted)) {
      const onCounted = () => tell.failed(sender);
      if (plan.isHeld)
        settleAfter(request, response, answers, plan, counter, config.logger, onCounted);
      return true;
    }
    tell.refused(rows, sender);
    if (!plan.shadow) await refuseWith(request, response, next, rows);
    return plan.shadow;
  };
  return function rateLimit(request, response, next) {
    makeRoomy(request, response);
    void goOn(isPassing, request as Request, response as Response, next);
  };
}

/** Goes on where a limiter lets a request pass, and with the error where it fails. */
async function goOn(
  isPassing: (request: Request, response: Response, next: Next) => Promise<boolean>,
  request: Request,
  response: Response,
  next: Next,
): Promise<void> {
  let isGoingOn: boolean;
  try {
    isGoingOn = await isPassing(request, response, next);
  } catch (error) {
    return next(error);
  }
  if (isGoingOn) next();
}
