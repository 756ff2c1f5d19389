/** The part that has few identities ask, and many: addresses, sessions and pages, each of its own. */
import { LOAD_CORE } from "../support/arguments.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { circumstances, type IdentitiesFigures, type IdentitiesRow } from "./figures.ts";
import { fill } from "./fill.ts";
import { type Course, type Finding, load } from "./load.ts";
import { inTurns, middleOf, type Rounds } from "./rounds.ts";
import { type Server, startServer } from "./server.ts";
import { members, strangers, type Traffic } from "./traffic.ts";

const CONNECTIONS = 50;

/** Milliseconds until the code is compiled. */
const WARM_UP = 4000;

/** More strangers than any map has room for. */
const MOST_STRANGERS = 60_000;

/** How many there are, and how long the part lasts. */
export interface IdentitiesOptions extends Rounds {
  readonly identities: readonly number[];
  /** How long a level is loaded after its rounds at most, also if not everybody was here by then. Milliseconds. */
  readonly most: number;
}

/** One number of identities: a process and a Redis of its own, as all are measured by turns. */
interface Level {
  readonly identities: number;
  readonly redis: RedisServer;
  readonly server: Server;
  readonly traffic: Traffic;
  readonly findings: Finding[];
}

function loadOf(
  { identities, server, redis, traffic }: Level,
  course: Pick<Course, "isOver"> & Partial<Course>,
): Promise<Finding> {
  const label = `${identities} identities`;
  return load(server, redis, { label, connections: CONNECTIONS, traffic, ...course });
}

async function prepare(script: string, identities: number, redis: RedisServer): Promise<Level> {
  const server = await startServer(script, redis.port);
  await fill(server, redis, identities);
  const level = { identities, redis, server, traffic: members(identities), findings: [] };
  await loadOf(level, { isOver: (_answers, ms) => ms > WARM_UP });
  return level;
}

async function redisMemory({ client }: RedisServer): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))![1]);
}

/** Those who were not here in the rounds come now; then strangers. */
async function complete(level: Level, most: number): Promise<IdentitiesRow> {
  const { identities, server, redis, findings } = level;
  const rounds = middleOf(findings);
  const missing = identities - rounds.answers;
  const rest = await loadOf(level, {
    label: `${identities} identities, all`,
    isOver: (answers, ms) => answers >= missing || ms > most,
  });
  const used = await redisMemory(redis);
  const outsiders = Math.min(identities, MOST_STRANGERS);
  const refused = await loadOf(level, {
    label: `${identities} identities, strangers`,
    traffic: strangers(outsiders),
    isOver: (answers, ms) => answers >= 2 * outsiders || ms > most,
  });
  const maps = await server.maps();
  await server.end();
  const reading = {
    ...rounds,
    answers: rounds.answers + rest.answers,
    hits: rounds.hits + rest.hits,
    unexpected: rounds.unexpected + rest.unexpected,
    memory: rest.memory,
  };
  return { identities, reading, strangers: refused, maps, redisMemory: used };
}

/** Runs it. */
export async function runIdentities(
  script: string,
  { identities, rounds, ms, most }: IdentitiesOptions,
): Promise<IdentitiesFigures> {
  const servers: RedisServer[] = [];
  try {
    const levels: Level[] = [];
    for (const count of identities) {
      const redis = await startRedis({ core: LOAD_CORE });
      servers.push(redis);
      levels.push(await prepare(script, count, redis));
    }
    const at = await circumstances(servers[0]!);
    await inTurns(levels, rounds, async (level) => {
      level.findings.push(await loadOf(level, { isOver: (_answers, passed) => passed > ms }));
    });
    const rows: IdentitiesRow[] = [];
    for (const level of levels) rows.push(await complete(level, most));
    return { at, connections: CONNECTIONS, rounds, seconds: ms / 1000, rows };
  } finally {
    for (const redis of servers) await redis.stop();
  }
}
