/** Counting by outcome: a request that was held is counted for good, or given back, once its response is done. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "../config.ts";
import type { Answer, Counter } from "./counter.ts";
import type { LimiterPlan } from "./plan.ts";

/** Responses with which one of our limiters refused; another one before it does not count those. */
const refused = new WeakSet<ServerResponse>();

/** Notes that a limiter refused with this response. */
export function markRefused(response: ServerResponse): void {
  refused.add(response);
}

/** Takes that back: the request goes on all the same. */
export function unmarkRefused(response: ServerResponse): void {
  refused.delete(response);
}

/**
 * Settles `answers` when the response has ended; a failing `requestWasSuccessful` counts the request.
 *
 * @param onCounted called where the request counts for good
 */
export function settleAfter(
  request: IncomingMessage,
  response: ServerResponse,
  answers: readonly Answer[],
  plan: LimiterPlan,
  counter: Counter,
  logger: Logger,
  onCounted: () => void,
): void {
  const isCounted = async (): Promise<boolean> => {
    if (refused.has(response)) return false;
    // Without `finish`, the response was cut off and counts as failed.
    const isSuccess =
      response.writableFinished && (await plan.requestWasSuccessful(request, response));
    return !(isSuccess ? plan.skipSuccessful : plan.skipFailed);
  };
  const onClose = async (): Promise<void> => {
    let counts = true;
    try {
      counts = await isCounted();
    } catch (error) {
      logger.error(`express-redis-kit: requestWasSuccessful failed: ${String(error)}`);
    }
    if (counts) onCounted();
    await counter.settle(answers, counts ? "count" : "release");
  };
  if (response.closed) void onClose();
  else response.once("close", () => void onClose());
}
