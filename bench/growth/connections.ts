/** The part that asks over few connections and over many: speed, times and memory of each. */
import type { RedisServer } from "../support/redis-server.ts";
import { circumstances, type ConnectionsFigures } from "./figures.ts";
import { fill } from "./fill.ts";
import { type Finding, load } from "./load.ts";
import { inTurns, middleOf, type Rounds } from "./rounds.ts";
import { type Server, startServer } from "./server.ts";
import { members } from "./traffic.ts";

const LEVELS = [1, 10, 50, 200];

/** Members by turns: few enough for all that a process remembers. */
const MEMBERS = 1000;

/** Milliseconds until the code is compiled. */
const WARM_UP = 4000;

/** One number of connections. */
interface Level {
  readonly connections: number;
  readonly server: Server;
  readonly findings: Finding[];
}

/** Runs it: a process for each level, so that none has another's memory. */
export async function runConnections(
  script: string,
  redis: RedisServer,
  { rounds, ms }: Rounds,
): Promise<ConnectionsFigures> {
  await redis.client.flushall();
  const at = await circumstances(redis);
  const loadFor = (server: Server, connections: number, length: number): Promise<Finding> =>
    load(server, redis, {
      label: `${connections} connections`,
      connections,
      traffic: members(MEMBERS),
      isOver: (_answers, passed) => passed > length,
    });
  const levels: Level[] = [];
  for (const connections of LEVELS) {
    const server = await startServer(script, redis.port);
    if (levels.length === 0) await fill(server, redis, MEMBERS);
    await loadFor(server, connections, WARM_UP);
    levels.push({ connections, server, findings: [] });
  }
  await inTurns(levels, rounds, async ({ connections, server, findings }) => {
    findings.push(await loadFor(server, connections, ms));
  });
  for (const { server } of levels) await server.end();
  const rows = levels.map(({ connections, findings }) => ({ connections, ...middleOf(findings) }));
  return { at, rounds, seconds: ms / 1000, rows };
}
