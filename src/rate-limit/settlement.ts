/** Counting by outcome: a request that was held is counted for good, or given back, once its response is done. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "../config.ts";
import { isRefused } from "../refused.ts";
import { isClosed } from "../request.ts";
import type { Answer, Counter } from "./counter.ts";
import type { LimiterPlan } from "./plan.ts";

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
    // One of our limiters refused the request: another one before it does not count that.
    if (isRefused(response)) return false;
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
  if (isClosed(response)) void onClose();
  else response.once("close", () => void onClose());
}
