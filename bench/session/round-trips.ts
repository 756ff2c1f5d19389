/** How many round trips to Redis a request waits for, one after the other. */
import { Redis } from "ioredis";
import { median } from "../support/statistics.ts";
import type { SlowProxy } from "../support/slow-proxy.ts";
import { answerTo } from "./verify.ts";
import type { Visitor, Workload } from "./workloads.ts";

/** Milliseconds in each direction. None is 0, where no timer runs late and nothing falls asleep. */
const DELAYS = [5, 10, 15];
const REQUESTS = 30;
const VISITORS = 20;

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

/** Round trips that a request of a workload waits for, to a server whose Redis is behind the proxy. */
export async function roundTrips(
  workload: Workload,
  port: number,
  visitors: readonly Visitor[],
  proxy: SlowProxy,
): Promise<number> {
  const send = async (n: number): Promise<void> => {
    await answerTo(port, workload, visitors[n % VISITORS]!);
  };
  // Connections are opened, scripts loaded, and every visitor has been here before: the kit waits
  // twice for a session that its process has not seen yet.
  for (let n = 0; n < VISITORS; n += 1) await send(n);
  const ping = await slopeOfPing(proxy);
  return (await slopeOf(proxy, send)) / ping;
}
