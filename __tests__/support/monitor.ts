/** What clients send to a redis-server, as the server itself sees it. */
import { afterAll } from "@jest/globals";
import type { Redis } from "ioredis";
import { type RedisServer, until } from "./redis-server.ts";

/** Watches one server. */
export interface Monitor {
  /** The commands that were sent while `work` ran, and right after it; none that scripts called. */
  during(work: () => Promise<unknown>): Promise<readonly (readonly string[])[]>;
}

const monitors: Redis[] = [];
afterAll(() => {
  for (const monitor of monitors.splice(0)) monitor.disconnect();
});

/** Begins to watch. */
export async function startMonitor({ client }: RedisServer): Promise<Monitor> {
  const seen: string[][] = [];
  const monitor = await client.monitor();
  monitors.push(monitor);
  monitor.on("monitor", (_time: string, args: string[], source: string) => {
    if (source !== "lua") seen.push(args);
  });
  let marks = 0;
  /** All that came before it has been seen when it is. */
  const mark = async (): Promise<number> => {
    marks += 1;
    const text = `mark ${marks}`;
    await client.echo(text);
    const find = (): number => seen.findIndex(([, said]) => said === text);
    await until(() => find() >= 0, "the monitor saw the mark");
    return find();
  };
  return {
    during: async (work) => {
      const start = await mark();
      await work();
      return seen.slice(start + 1, await mark());
    },
  };
}

/** Their names, sorted. */
export function namesOf(commands: readonly (readonly string[])[]): string[] {
  return commands.map(([name]) => name!.toUpperCase()).toSorted();
}
