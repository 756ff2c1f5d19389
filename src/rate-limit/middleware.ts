/** `rateLimit()`: the middleware that counts a request, and lets it pass or refuses it. */
import type { Request, Response } from "express";
import type { AugmentedRequest, ClientRateLimitInfo } from "express-rate-limit";
import type { Logger } from "../config.ts";
import type { Context } from "../context.ts";
import { addressIdentity, clientAddress, type Middleware } from "../request.ts";
import { parseCount } from "../validate.ts";
import { ALGORITHMS } from "./algorithms/by-name.ts";
import { asksOf } from "./asks.ts";
import { createChecks } from "./checks.ts";
import { createCounter } from "./counter.ts";
import { writeHeaders, writeRetryAfter } from "./headers.ts";
import { type Sender, senderOf } from "./identities.ts";
import { createOperations, type KeyOperations, type RateLimitOperations } from "./operations.ts";
import type { RateLimitOptions } from "./options.ts";
import { type LimiterPlan, planLimiter, shellOptionsOf } from "./plan.ts";
import { createRefuse, sendMessage, turnAway } from "./refusal.ts";
import { refusalReportsOf } from "./refusal-reports.ts";
import { register } from "./register.ts";
import { policiesOf, retryAfterOf, type Row, rowsOf, strictest } from "./rows.ts";
import { RateLimitInfo } from "./info.ts";
import { markRefused, settleAfter, unmarkRefused } from "./settlement.ts";
import { createSuspicion } from "./suspicion.ts";
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

/** How long a denied address is not told of again, in milliseconds. */
const DENIED_WINDOW = 60_000;

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

function limiterOf(context: Context, plan: LimiterPlan): Middleware {
  const { config } = context;
  const counter = createCounter(context, ALGORITHMS[plan.algorithm], plan.onRedisError);
  const checks = createChecks(context, plan);
  const tell = createTelling(context, plan);
  const refuseWith = createRefusal(plan, config.logger);
  const termsOf = createTerms(plan);
  const { skip } = plan.options;

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
    const answers = await counter.take(asks, plan.isHeld ? "hold" : "take");
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
    void goOn(isPassing, request as Request, response as Response, next);
  };
}

type Next = (error?: unknown) => void;

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

/** What a limiter tells of: refusals, denied addresses, failed sign-ins. */
function createTelling(context: Context, plan: LimiterPlan) {
  const report = refusalReportsOf(context);
  const { type } = plan.main;
  const suspect = plan.suspicion && createSuspicion(plan.suspicion, context.events, type);
  const shadow = plan.shadow ? { shadow: true as const } : undefined;
  const failed = ({ address, accounts }: Sender): void => suspect?.(address, accounts);
  return {
    failed,
    refused: (rows: readonly Row[], sender: Sender): void => {
      const refusing = rows.filter(({ isRefusing }) => isRefusing);
      const policies = policiesOf(rows);
      const window = Math.max(...refusing.map(({ quota }) => quota.window));
      const { key } = refusing[0]!;
      const retryAfter = retryAfterOf(rows);
      report({ type, key, policies, retryAfter, ...shadow }, window);
      failed(sender);
    },
    denied: (address: string): void => {
      const key = context.keys.rateLimit(type, [addressIdentity(address)]);
      report({ type, key, policies: [], retryAfter: 0, denied: true, ...shadow }, DENIED_WINDOW);
    },
  };
}

/** Answers a refused request as the options say. */
function createRefusal(plan: LimiterPlan, logger: Logger) {
  const { message, handler, retryAfter: ownRetryAfter } = plan.options;
  const shellOptions = Object.freeze(shellOptionsOf(plan));
  const refuse = createRefuse(plan.statusCode);
  /** Runs the application's own handler, which may answer now, later, or let the request go on. */
  const handle = async (request: Request, response: Response, next: Next): Promise<void> => {
    let hasGoneOn = false;
    const goOnOnce = (error?: unknown): void => {
      hasGoneOn = true;
      unmarkRefused(response);
      next(error);
    };
    markRefused(response);
    try {
      await Promise.resolve(handler!(request, response, goOnOnce, shellOptions));
    } catch (error) {
      if (!hasGoneOn) throw error;
      logger.error(`express-redis-kit: handler failed after next(): ${String(error)}`);
    }
  };
  return async (
    request: Request,
    response: Response,
    next: Next,
    rows: readonly Row[],
  ): Promise<void> => {
    const own =
      typeof ownRetryAfter === "function"
        ? parseCount("retryAfter()", await ownRetryAfter(request, response), 0)
        : ownRetryAfter;
    writeRetryAfter(response, own === undefined ? retryAfterOf(rows) : own * 1000);
    if (handler) return handle(request, response, next);
    if (message === undefined) refuse(request, response, rows);
    else await sendMessage(request, response, message, plan.statusCode);
    if (response.headersSent) markRefused(response);
  };
}
