/** How many round trips to Redis a request waits for, one after the other. */
import { Redis } from "ioredis";
import type { SlowProxy } from "./slow-proxy.ts";
import { median } from "./statistics.ts";

/** Milliseconds in each direction. None is 0, where no timer runs late and nothing falls asleep. */
const DELAYS = [5, 10, 15];
/** There and back, where the way is shortest. */
export const NEAREST: number = 2 * DELAYS[0]!;
const REQUESTS = 30;

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** By how much `times` grow with `DELAYS`: the least squares' slope. */
function slope(times: readonly number[]): number {
  const [middle, level] = [mean(DELAYS), mean(times)];
  const covariance = mean(DELAYS.map((delay, n) => (delay - middle) * (times[n]! - level)));
  return covariance / mean(DELAYS.map((delay) => (delay - middle) ** 2));
}

/** Has a single client do something again and again, on longer and longer ways; the median of each. */
async function mediansOf(
  proxy: SlowProxy,
  work: (n: number) => Promise<unknown>,
): Promise<number[]> {
  const medians: number[] = [];
  for (const [round, delay] of DELAYS.entries()) {
    proxy.setDelay(delay);
    const times: number[] = [];
    for (let n = 0; n < REQUESTS; n += 1) {
      const started = performance.now();
      await work(round * REQUESTS + n);
      times.push(performance.now() - started);
    }
    medians.push(median(times));
  }
  proxy.setDelay(0);
  return medians;
}

/** How long a request takes where Redis is a network away. */
export interface Waits {
  /** That are waited for one after the other: milliseconds per millisecond, over those of a PING. */
  readonly roundTrips: number;
  /** Milliseconds that a request took in the median with {@link NEAREST} to Redis and back. */
  readonly p50: number;
  /** The same of a PING. */
  readonly ping: number;
}

/**
 * What a request waits for, to a server whose Redis is behind the proxy.
 *
 * @param send resolves when the `n`th request has been answered; what only a first one does has been done
 * @param ping one round trip through the same proxy, on a connection that is open: anew for each
 *   server, as a busy machine changes it
 */
export async function waitsOf(
  proxy: SlowProxy,
  send: (n: number) => Promise<unknown>,
  ping: () => Promise<unknown>,
): Promise<Waits> {
  const pings = await mediansOf(proxy, ping);
  const requests = await mediansOf(proxy, send);
  return { roundTrips: slope(requests) / slope(pings), p50: requests[0]!, ping: pings[0]! };
}

/** The same, by a PING of Redis. */
export async function redisWaitsOf(
  proxy: SlowProxy,
  send: (n: number) => Promise<unknown>,
): Promise<Waits> {
  const client = new Redis(proxy.port, "127.0.0.1");
  try {
    await client.ping();
    return await waitsOf(proxy, send, () => client.ping());
  } finally {
    client.disconnect();
  }
}

/** Round trips that a request waits for: see {@link waitsOf}. */
export async function roundTrips(
  proxy: SlowProxy,
  send: (n: number) => Promise<unknown>,
): Promise<number> {
  return (await redisWaitsOf(proxy, send)).roundTrips;
}
