/** The part that lasts: all that happens on a site, and the heap after each minute of it. */
import type { RedisServer } from "../support/redis-server.ts";
import { circumstances, type SoakFigures, type SoakRow } from "./figures.ts";
import { fill } from "./fill.ts";
import { load, tell } from "./load.ts";
import { startServer } from "./server.ts";
import { members, mixture, strangers, type Traffic } from "./traffic.ts";

const CONNECTIONS = 50;

/** By how much the heap of the last minute may be above that of the first. */
export const TOLERATED = 0.05;

/** How long it lasts. */
export interface SoakOptions {
  readonly minutes: number;
  /** Of what is called a minute: 60, and less to try the benchmark itself. */
  readonly seconds: number;
  /** More than the maps of sessions and cookies have room for, so that they forget all the time. */
  readonly members: number;
  /** More than the map of refusals has room for. */
  readonly strangers: number;
}

/** Growth of the heap from the first minute to the last, as a share. */
export function growthOf(rows: readonly SoakRow[]): number {
  return rows.at(-1)!.memory.heap / rows[0]!.memory.heap - 1;
}

/** Runs it: everybody once first, and a minute of everything, so that the maps are as full as they get. */
export async function runSoak(
  script: string,
  redis: RedisServer,
  { minutes, seconds, ...crowd }: SoakOptions,
): Promise<SoakFigures> {
  await redis.client.flushall();
  const at = await circumstances(redis);
  const server = await startServer(script, redis.port);
  await fill(server, redis, crowd.members);
  const run = (label: string, traffic: Traffic, answers: number, ms: number) =>
    load(server, redis, {
      label: `soak, ${label}`,
      connections: CONNECTIONS,
      traffic,
      isOver: (count, passed) => count >= answers && passed >= ms,
    });
  await run("members", members(crowd.members), crowd.members, 0);
  await run("strangers", strangers(crowd.strangers), 2 * crowd.strangers, 0);
  const everything = mixture(crowd);
  await run("warm-up", everything, 0, seconds * 1000);
  const rows: SoakRow[] = [];
  for (let minute = 1; minute <= minutes; minute += 1) {
    const found = await run(`minute ${minute}`, everything, 0, seconds * 1000);
    const { perSecond, p99, unexpected, foreign, memory } = found;
    rows.push({ perSecond, p99, unexpected, foreign, memory });
    const heap = (memory.heap / 1e6).toFixed(2);
    tell(`soak, minute ${minute}: heap ${heap} MB, ${(growthOf(rows) * 100).toFixed(1)} % grown`);
  }
  const maps = await server.maps();
  await server.end();
  return { at, connections: CONNECTIONS, ...crowd, seconds, rows, maps };
}
