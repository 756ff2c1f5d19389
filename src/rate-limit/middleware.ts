/** `rateLimit()`: express-rate-limit is the shell; what is counted, and where, is ours. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Request, Response } from "express";
import { rateLimit as shell, type Options as ShellOptions, type Store } from "express-rate-limit";
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import { addressIdentity, clientAddress, type Middleware } from "../request.ts";
import type { Algorithm } from "./algorithm.ts";
import { normalizeAccount } from "./account.ts";
import { type Answer, type Ask, createCounter } from "./counter.ts";
import { fixedWindow } from "./fixed-window.ts";
import { retryAfterOf, strictest, writeHeaders, writeRetryAfter } from "./headers.ts";
import { type LimiterPlan, planLimiter, type Policy, type RateLimitOptions } from "./options.ts";
import { refuse } from "./refusal.ts";
import { slidingWindow } from "./sliding-window.ts";

/** Every way of counting by its name. */
export const ALGORITHMS: Readonly<Record<LimiterPlan["algorithm"], Algorithm>> = {
  "sliding-window": slidingWindow,
  "fixed-window": fixedWindow,
};

/** Makes limiters. */
export type RateLimit = (
  type?: string | RateLimitOptions,
  options?: RateLimitOptions,
) => Middleware;

/**
 * What one request asks and was answered. The shell passes it from `keyGenerator` to the store in
 * the place of a key, since it calls `increment(key)` without the request.
 */
interface Turn {
  readonly asks: readonly Ask[];
  answers?: readonly Answer[];
}

/** Makes the `rateLimit()` of one kit. */
export function createRateLimit(context: Context): RateLimit {
  const register = createRegister();
  return (first, second) => {
    const plan = planLimiter(first, second);
    for (const policy of plan.policies) register(policy, plan.algorithm);
    return limiterOf(context, plan);
  };
}

/** Limiters of one type share their keys, so they must agree on what the numbers in them mean. */
function createRegister(): (policy: Policy, algorithm: string) => void {
  const known = new Map<string, { policy: Policy; algorithm: string }>();
  return (policy, algorithm) => {
    const other = known.get(policy.type);
    known.set(policy.type, other ?? { policy, algorithm });
    if (other === undefined) return;
    const { limit, window } = other.policy;
    if (limit === policy.limit && window === policy.window && other.algorithm === algorithm) return;
    throw new KitError("RATE_LIMIT_TYPE_CONFLICT", {
      message: `Two limiters of the type '${policy.type}' count on the same keys, but differ in limit, window or algorithm.`,
      fix: `Give one of them a type of its own: rateLimit('${policy.type}-2', { … }).`,
    });
  };
}

async function asksOf(
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
      return [plan.keyGenerator ? String(await plan.keyGenerator(request, response)) : address];
    }
    if (account === undefined) return undefined;
    return policy.by === "account" ? [account] : [address, account];
  };
  const asks = plan.policies.map(async (policy): Promise<Ask[]> => {
    const identity = await identityOf(policy);
    if (identity === undefined) return [];
    const limit =
      typeof policy.limit === "function"
        ? Number(await policy.limit(request, response))
        : policy.limit!;
    const key = keys.rateLimit(policy.type, identity);
    return [{ type: policy.type, key, quota: { limit, window: policy.window } }];
  });
  return (await Promise.all(asks)).flat();
}

function limiterOf(context: Context, plan: LimiterPlan): Middleware {
  const counter = createCounter(context, ALGORITHMS[plan.algorithm], plan.onRedisError);
  const isHeld = plan.skipFailed || plan.skipSuccessful;
  const turns = new WeakMap<IncomingMessage, Turn>();

  const store: Store = {
    increment: async (key: unknown) => {
      const turn = key as Turn;
      const answers = await counter.take(turn.asks, isHeld);
      if (answers === undefined) return { totalHits: 0, resetTime: undefined };
      turn.answers = answers;
      const { decision, quota } = strictest(answers);
      return {
        totalHits: decision.admitted ? Math.min(decision.used, quota.limit) : quota.limit + 1,
        resetTime: new Date(
          Date.now() + (decision.admitted ? decision.reset : decision.retryAfter),
        ),
      };
    },
    decrement: () => {},
    resetKey: () => {},
  };
  const keyGenerator = async (request: Request, response: Response): Promise<string> => {
    const turn: Turn = { asks: await asksOf(context, plan, request, response) };
    turns.set(request, turn);
    return turn as unknown as string;
  };
  const limitOf = (request: IncomingMessage): number => {
    const answers = turns.get(request)?.answers;
    return answers ? strictest(answers).quota.limit : Infinity;
  };
  /** Runs where the shell has decided: mends `req.rateLimit`, and writes the header fields. */
  const publish = (request: IncomingMessage, response: ServerResponse): readonly Answer[] => {
    const answers = turns.get(request)?.answers ?? [];
    if (answers.length === 0) return answers;
    const worst = strictest(answers);
    const info = (
      request as unknown as Record<
        string,
        { key: string; used: number; remaining: number } | undefined
      >
    )[plan.propertyName];
    if (info) {
      info.key = worst.key;
      info.used = worst.decision.used;
      info.remaining = worst.decision.remaining;
    }
    writeHeaders(response, answers, plan.headers, plan.legacyHeaders);
    return answers;
  };
  const { message, handler, statusCode = 429, skip } = plan.options;
  const limiter = shell({
    ...(skip && { skip }),
    ...(message !== undefined && { message }),
    statusCode,
    windowMs: plan.policies[0]!.window,
    requestPropertyName: plan.propertyName,
    keyGenerator,
    store,
    limit: limitOf,
    standardHeaders: false,
    legacyHeaders: false,
    validate: false,
    handler: async (request, response, next, shellOptions) => {
      const answers = publish(request, response);
      const retryAfter = retryAfterOf(answers);
      writeRetryAfter(response, retryAfter);
      const policies = answers.filter(({ decision }) => !decision.admitted).map(({ type }) => type);
      context.events.emit("limited", { type: plan.policies[0]!.type, policies, retryAfter });
      if (handler) await handler(request, response, next, shellOptions);
      else if (message === undefined) refuse(request, response, answers, statusCode);
      else await sendMessage(request, response, message, statusCode);
    },
  });

  return function rateLimit(request, response, next) {
    const proceed = (error?: unknown): void => {
      if (error !== undefined) return next(error);
      const answers = publish(request, response);
      if (isHeld && answers.length > 0) settleAfter(request, response, answers);
      next();
    };
    void limiter(request as Request, response as Response, proceed);
  };

  function settleAfter(
    request: IncomingMessage,
    response: ServerResponse,
    answers: readonly Answer[],
  ): void {
    const settle = async (): Promise<void> => {
      // Without `finish`, the response was cut off and counts as failed.
      const isSuccess =
        response.writableFinished && (await plan.requestWasSuccessful(request, response));
      const isSkipped = isSuccess ? plan.skipSuccessful : plan.skipFailed;
      await counter.settle(answers, !isSkipped);
    };
    const onClose = (): void => {
      settle().catch((error: unknown) => {
        context.config.logger.error(
          `express-redis-kit: requestWasSuccessful failed: ${String(error)}`,
        );
        void counter.settle(answers, true);
      });
    };
    if (response.closed) onClose();
    else response.once("close", onClose);
  }
}

/** express-rate-limit's `message`: text, a value for JSON, or what answers one. */
async function sendMessage(
  request: Request,
  response: Response,
  message: NonNullable<ShellOptions["message"]>,
  status: number,
): Promise<void> {
  const value: unknown = typeof message === "function" ? await message(request, response) : message;
  if (response.writableEnded) return;
  const isText = typeof value === "string";
  response.statusCode = status;
  response.setHeader(
    "Content-Type",
    isText ? "text/plain; charset=utf-8" : "application/json; charset=utf-8",
  );
  response.end(isText ? value : JSON.stringify(value));
}
