/** Which commands reach Redis: those that clients send, and those that scripts call. */
import { once } from "node:events";
import type { RedisServer } from "./redis-server.ts";
import { until } from "./until.ts";

/** How often commands have run since Redis began. */
export interface CommandCount {
  /** Those that scripts call included. */
  readonly all: number;
  readonly scripts: number;
}

/** What the benchmarks ask, which no contender does. */
const OWN = ["info", "dbsize", "monitor", "echo"];

/** Counts the commands that were not the benchmark's own. */
async function countCommands(
  { client }: RedisServer,
  own: readonly string[],
): Promise<CommandCount> {
  const info = await client.info("commandstats");
  const counts = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
    .map(([, name, calls]) => [name!, Number(calls)] as const)
    .filter(([name]) => !own.includes(name));
  const sum = (some: typeof counts): number => some.reduce((total, [, calls]) => total + calls, 0);
  return { all: sum(counts), scripts: sum(counts.filter(([name]) => name.startsWith("eval"))) };
}

/**
 * Counts once no more commands come: what was asked for before its client left still runs.
 *
 * @param turn resolves when the server has had a turn, which takes long on a busy machine
 * @param own further commands of the benchmark's, which no contender sends
 */
export async function countWhenQuiet(
  redis: RedisServer,
  turn: () => Promise<unknown>,
  own: readonly string[] = [],
): Promise<CommandCount> {
  let count: CommandCount = { all: NaN, scripts: NaN };
  const isQuiet = async (): Promise<boolean> => {
    const { all } = count;
    await turn();
    count = await countCommands(redis, [...OWN, ...own]);
    return count.all === all;
  };
  await until(isQuiet, "Redis has nothing left to do", { every: 50 });
  return count;
}

/** How many commands a script calls on average during `work`: the statistics do not tell, MONITOR does. */
export async function callsPerScript(
  { client }: RedisServer,
  work: () => Promise<void>,
): Promise<number> {
  const monitor = await client.monitor();
  let [scripts, calls, isOver] = [0, 0, false];
  monitor.on("monitor", (_time: string, [name = ""]: string[], source: string) => {
    if (source === "lua") calls += 1;
    else if (name.toLowerCase().startsWith("eval")) scripts += 1;
    else if (name.toLowerCase() === "echo") isOver = true;
  });
  await work();
  await client.echo("over");
  await until(() => isOver, "MONITOR has told everything");
  const closed = once(monitor, "end");
  monitor.disconnect();
  await closed;
  return scripts === 0 ? 0 : calls / scripts;
}
