/**
 * What holds over a client of the application's, as its options prove it.
 *
 * The channel itself hands a command over only when it will be written at once, so that none waits in a
 * client's queue for a connection. What is left is what a client does by itself after that.
 */
import type { Guarantee } from "../port.ts";

/** Of ioredis's options, those that send a command again. */
export interface ResendOptions {
  readonly autoResendUnfulfilledCommands?: boolean;
  readonly maxRetriesPerRequest?: number | null;
  readonly reconnectOnError?: unknown;
  /** Of a Cluster. */
  readonly maxRedirections?: number;
  readonly retryDelayOnFailover?: number;
  readonly clusterNodeRetryStrategy?: unknown;
  readonly redisOptions?: ResendOptions;
}

const BOTH: readonly Guarantee[] = ["deadline", "at-most-once"];

/**
 * ioredis 6.0.0, redis/event_handler.js: after a lost connection the commands without an answer are kept
 * (`prevCommandQueue`) and sent again once it is back, unless `autoResendUnfulfilledCommands` is false, or
 * `maxRetriesPerRequest: 0` has emptied that queue at the first attempt to reconnect.
 */
function keepsUnanswered(options: ResendOptions): boolean {
  return options.autoResendUnfulfilledCommands !== false && options.maxRetriesPerRequest !== 0;
}

/** Redis.js, handleReconnection: `reconnectOnError` may answer 2, which sends again what failed. */
function resendsFailed({ reconnectOnError }: ResendOptions): boolean {
  return typeof reconnectOnError === "function";
}

/** One server. What is sent again, is sent after its deadline too. */
export function ofIoredis(options: ResendOptions): readonly Guarantee[] {
  return keepsUnanswered(options) || resendsFailed(options) ? BOTH : [];
}

/**
 * ioredis 6.0.0, cluster/index.js, handleError: `retryDelayOnFailover` above 0 sends again after
 * "Connection is closed.", when a command may have run. TRYAGAIN, CLUSTERDOWN, MOVED and ASK say that it
 * did not run; but those retries take what time they take, so that only `maxRedirections: 0`, which ends
 * them all, proves the deadline. A node reconnects, and then sends again as a single server does, only by
 * `clusterNodeRetryStrategy`.
 */
export function ofIoredisCluster(options: ResendOptions): readonly Guarantee[] {
  const { maxRedirections, retryDelayOnFailover, clusterNodeRetryStrategy } = options;
  const nodeOptions = options.redisOptions ?? {};
  const nodeResends =
    (typeof clusterNodeRetryStrategy === "function" && keepsUnanswered(nodeOptions)) ||
    resendsFailed(nodeOptions);
  if (nodeResends) return BOTH;
  if (maxRedirections === 0) return [];
  return retryDelayOnFailover === 0 ? ["deadline"] : BOTH;
}

/**
 * node-redis 5.12.1 and 6.3.1, client/commands-queue.js: after a lost connection what was written is
 * rejected (`flushWaitingForReply`) and never sent again; only what was not written stays, and the channel
 * takes that back by `abortSignal` when its time is over. cluster/index.js sends again after MOVED and ASK
 * alone.
 */
export function ofNodeRedis(): readonly Guarantee[] {
  return [];
}

/**
 * @upstash/redis 1.39.0, http.ts: a request whose fetch failed is sent again `retry.attempts` times, when
 * it may have run. `retry: false` still means one more attempt there; `retry: { retries: 0 }` means none.
 * Requests take an abort signal of their own since 1.34; before, one that timed out goes on.
 *
 * @param attempts further attempts after the first; undefined where the client does not say
 */
export function ofUpstash(attempts: unknown, isAbortable: boolean): readonly Guarantee[] {
  return BOTH.filter((guarantee) => (guarantee === "deadline" ? !isAbortable : attempts !== 0));
}
