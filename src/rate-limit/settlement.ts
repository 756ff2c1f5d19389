/** Counting by outcome: a request that was held is counted for good, or given back, once its response is done. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "../config.ts";
import type { Answer, Counter } from "./counter.ts";
import type { LimiterPlan } from "./options.ts";

/** Responses with which one of our limiters refused; another one before it does not count those. */
const refused = new WeakSet<ServerResponse>();

/** Notes that a limiter refused with this response. */
export function markRefused(response: ServerResponse): void {
  refused.add(response);
}

/** Settles `answers` when the response has ended; a failing `requestWasSuccessful` counts the request. */
export function settleAfter(
  request: IncomingMessage,
  response: ServerResponse,
  answers: readonly Answer[],
  plan: LimiterPlan,
  counter: Counter,
  logger: Logger,
): void {
  const settle = async (): Promise<void> => {
    if (refused.has(response)) return counter.settle(answers, false);
    // Without `finish`, the response was cut off and counts as failed.
    const isSuccess =
      response.writableFinished && (await plan.requestWasSuccessful(request, response));
    const isSkipped = isSuccess ? plan.skipSuccessful : plan.skipFailed;
    await counter.settle(answers, !isSkipped);
  };
  const onClose = (): void => {
    settle().catch((error: unknown) => {
      logger.error(`express-redis-kit: requestWasSuccessful failed: ${String(error)}`);
      void counter.settle(answers, true);
    });
  };
  if (response.closed) onClose();
  else response.once("close", onClose);
}
