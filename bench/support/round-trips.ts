/** How many round trips to Redis a request waits for, one after the other. */
import { Redis } from "ioredis";
import type { SlowProxy } from "./slow-proxy.ts";
import { median } from "./statistics.ts";

/** Milliseconds in each direction. None is 0, where no timer runs late and nothing falls asleep. */
const DELAYS = [5, 10, 15];
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

/** Has a single client do something again and again, on longer and longer ways; milliseconds per millisecond. */
async function slopeOf(proxy: SlowProxy, work: (n: number) => Promise<unknown>): Promise<number> {
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
  return slope(medians);
}

/** The slope of a PING, which is one round trip: anew for each server, as a busy machine changes it. */
async function slopeOfPing(proxy: SlowProxy): Promise<number> {
  const client = new Redis(proxy.port, "127.0.0.1");
  try {
    await client.ping();
    return await slopeOf(proxy, () => client.ping());
  } finally {
    client.disconnect();
  }
}

/**
 * Round trips that a request waits for, to a server whose Redis is behind the proxy.
 *
 * @param send resolves when the `n`th request has been answered; what only a first one does has been done
 */
export async function roundTrips(
  proxy: SlowProxy,
  send: (n: number) => Promise<unknown>,
): Promise<number> {
  const ping = await slopeOfPing(proxy);
  return (await slopeOf(proxy, send)) / ping;
}
