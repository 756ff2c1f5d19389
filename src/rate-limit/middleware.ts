/** `rateLimit()`: express-rate-limit is the shell; what is counted, and where, is ours. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Request, Response } from "express";
import { rateLimit as shell, type Store } from "express-rate-limit";
import type { Context } from "../context.ts";
import { clientAddress, type Middleware } from "../request.ts";
import type { Algorithm } from "./algorithm.ts";
import { type Answer, type Ask, type Counter, createCounter } from "./counter.ts";
import { fixedWindow } from "./fixed-window.ts";
import { retryAfterOf, strictest, writeHeaders, writeRetryAfter } from "./headers.ts";
import { asksOf } from "./identities.ts";
import { type LimiterPlan, planLimiter, type RateLimitOptions } from "./options.ts";
import { refuse, sendMessage, turnAway } from "./refusal.ts";
import { register } from "./register.ts";
import { markRefused, settleAfter } from "./settlement.ts";
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
  return (first, second) => {
    const plan = planLimiter(first, second);
    for (const { type, limit, window } of plan.policies) {
      register(context, type, { limit, window, algorithm: plan.algorithm });
    }
    return limiterOf(context, plan);
  };
}

/** The store and the callbacks by which the shell is told of a turn that it never sees. */
function turnsOf(context: Context, plan: LimiterPlan, counter: Counter) {
  const turns = new WeakMap<IncomingMessage, Turn>();
  const store: Store = {
    increment: async (key: unknown) => {
      const turn = key as Turn;
      const answers = await counter.take(turn.asks, isHeld(plan));
      if (answers === undefined || answers.length === 0)
        return { totalHits: 0, resetTime: undefined };
      turn.answers = answers;
      const { decision, quota } = strictest(answers);
      const reset = decision.admitted ? decision.reset : decision.retryAfter;
      return {
        totalHits: decision.admitted ? Math.min(decision.used, quota.limit) : quota.limit + 1,
        resetTime: new Date(Date.now() + reset),
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
  const answersOf = (request: IncomingMessage): readonly Answer[] =>
    turns.get(request)?.answers ?? [];
  const limitOf = (request: IncomingMessage): number => {
    const answers = answersOf(request);
    return answers.length > 0 ? strictest(answers).quota.limit : Infinity;
  };
  return { store, keyGenerator, answersOf, limit: limitOf };
}

function isHeld({ skipFailed, skipSuccessful }: LimiterPlan): boolean {
  return skipFailed || skipSuccessful;
}

/** Runs where the shell has decided: mends `req.rateLimit`, and writes the header fields. */
function publish(
  request: IncomingMessage,
  response: ServerResponse,
  answers: readonly Answer[],
  plan: LimiterPlan,
): void {
  if (answers.length === 0) return;
  const { key, decision } = strictest(answers);
  const info = (request as unknown as Record<string, object | undefined>)[plan.propertyName];
  if (info) Object.assign(info, { key, used: decision.used, remaining: decision.remaining });
  writeHeaders(response, answers, plan.headers, plan.legacyHeaders);
}

function limiterOf(context: Context, plan: LimiterPlan): Middleware {
  const counter = createCounter(context, ALGORITHMS[plan.algorithm], plan.onRedisError);
  const turns = turnsOf(context, plan, counter);
  const { message, handler, statusCode = 429, skip } = plan.options;
  const limiter = shell({
    ...(skip && { skip }),
    statusCode,
    windowMs: plan.policies[0]!.window,
    requestPropertyName: plan.propertyName,
    keyGenerator: turns.keyGenerator,
    store: turns.store,
    limit: turns.limit,
    standardHeaders: false,
    legacyHeaders: false,
    validate: false,
    handler: async (request, response, next, shellOptions) => {
      const answers = turns.answersOf(request);
      publish(request, response, answers, plan);
      const retryAfter = retryAfterOf(answers);
      writeRetryAfter(response, retryAfter);
      const policies = answers.filter(({ decision }) => !decision.admitted).map(({ type }) => type);
      context.events.emit("limited", { type: plan.policies[0]!.type, policies, retryAfter });
      if (handler) await Promise.resolve(handler(request, response, next, shellOptions));
      else if (message === undefined) refuse(request, response, answers, statusCode);
      else await sendMessage(request, response, message, statusCode);
      if (response.headersSent) markRefused(response);
    },
  });
  const { verdict } = plan;
  return function rateLimit(request, response, next) {
    const listed = verdict?.(clientAddress(request, context.config.trust));
    if (listed === "allow") return next();
    if (listed === "deny") {
      const { type } = plan.policies[0]!;
      context.events.emit("limited", { type, policies: [], retryAfter: 0, denied: true });
      turnAway(request, response);
      return markRefused(response);
    }
    const proceed = (error?: unknown): void => {
      const answers = turns.answersOf(request);
      // A `handler` of the user's may let a refused request go on: all is said and given back then.
      const isRefused = answers.some(({ decision }) => !decision.admitted);
      if (error !== undefined || isRefused) return next(error);
      publish(request, response, answers, plan);
      if (isHeld(plan) && answers.length > 0) {
        settleAfter(request, response, answers, plan, counter, context.config.logger);
      }
      next();
    };
    void limiter(request as Request, response as Response, proceed);
  };
}
