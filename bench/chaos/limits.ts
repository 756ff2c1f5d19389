/** A limiter while Redis is frozen, killed, or absent at the start, under every `onRedisError`. */
import { setTimeout as delay } from "node:timers/promises";
import { compile } from "../support/build.ts";
import { type Exchange, exchange } from "../support/http.ts";
import { startPace } from "../support/pace.ts";
import { answerOf, end, startScript } from "../support/processes.ts";
import { createRedis, type RedisServer } from "../support/redis-server.ts";
import { printMs, type Report } from "../support/report.ts";
import { median, quantile, worst } from "../support/statistics.ts";
import { DEADLINE, type Scenario } from "./scenario.ts";

/** Requests a second. */
const RATE = 200;
/** Milliseconds. */
const BEFORE = 1500;
const AWAY = 4000;
const AFTER = 3000;
/** By when every answer should be there, once there was a connection. */
const LATEST = DEADLINE + 50;
/** By when before that: the kit's `connectDeadline`. */
const LATEST_AT_START = 3000;
/** Counting in Redis again, from the moment at which it can. */
const RECOVERY = 1000;

const POLICIES = ["memory", "open", "closed"] as const;
type Policy = (typeof POLICIES)[number];

interface Fault {
  readonly name: string;
  /** Before any app is there; resolves with Redis running or not. */
  before(this: void, redis: RedisServer): Promise<void>;
  begin(this: void, redis: RedisServer): Promise<void>;
  end(this: void, redis: RedisServer): Promise<void>;
}

const ABSENT = "absent at the start";

const FAULTS: readonly Fault[] = [
  {
    name: "frozen",
    before: (redis) => redis.start(),
    begin: async (redis) => redis.signal("SIGSTOP"),
    end: async (redis) => redis.signal("SIGCONT"),
  },
  {
    name: "killed, then restarted empty",
    before: (redis) => redis.start(),
    begin: (redis) => redis.end(),
    end: (redis) => redis.start(),
  },
  {
    name: ABSENT,
    before: async () => {},
    begin: async () => {},
    end: (redis) => redis.start(),
  },
];

interface Finding {
  readonly fault: string;
  readonly policy: Policy;
  /** While Redis was away. */
  readonly away: readonly Exchange[];
  /** From the moment at which Redis answers to its first count. */
  readonly recovery: number;
}

/** Milliseconds until the key of requests within their limit is written to. */
async function countsAgain(redis: RedisServer): Promise<number> {
  const since = performance.now();
  const read = () => redis.client.get("ratelimit:api:within").catch(() => null);
  const first = await read();
  while (performance.now() - since < AFTER) {
    const value = await read();
    if (value !== null && value !== first) return performance.now() - since;
    await delay(5);
  }
  return Infinity;
}

async function tryOne(fault: Fault, policy: Policy, script: string): Promise<Finding> {
  const redis = await createRedis();
  await fault.before(redis);
  const child = startScript(script, [`${redis.port}`, policy]);
  try {
    const port = await answerOf<number>(child);
    const exchanges: Exchange[] = [];
    const pace = startPace(RATE, async (index) => {
      exchanges.push(await exchange(port, { path: index % 2 === 0 ? "/within" : "/over" }));
    });
    await delay(BEFORE);
    const from = performance.now();
    await fault.begin(redis);
    await delay(AWAY);
    await fault.end(redis);
    const until = performance.now();
    const recovery = await countsAgain(redis);
    await pace.stop(5000);
    const away = exchanges.filter(({ sentAt }) => sentAt >= from && sentAt < until - DEADLINE);
    return { fault: fault.name, policy, away, recovery };
  } finally {
    await end(child);
    await redis.stop();
  }
}

function statusesOf(exchanges: readonly Exchange[], path: string): string {
  const statuses = exchanges.filter((one) => one.path === path).map(({ status }) => status);
  const counts = new Map<number, number>();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${status || "none"}: ${count}`).join(", ");
}

function rowOf(findings: readonly Finding[]) {
  const [{ fault, policy }] = findings as [Finding, ...Finding[]];
  const away = findings.flatMap((finding) => finding.away);
  const times = away.map(({ took }) => took);
  return {
    Redis: fault,
    onRedisError: policy,
    "within the limit": statusesOf(away, "/within"),
    "over it": statusesOf(away, "/over"),
    median: printMs(median(times)),
    p99: printMs(quantile(times, 0.99)),
    slowest: printMs(worst(times)),
    "counts again": printMs(worst(findings.map(({ recovery }) => recovery)), AFTER),
  };
}

/** Runs the scenario. */
export const limits: Scenario = async (rounds): Promise<Report> => {
  const script = compile(new URL("limiter-process.ts", import.meta.url), "limiter-process");
  const all: Finding[][] = [];
  for (const fault of FAULTS) {
    for (const policy of POLICIES) {
      const findings: Finding[] = [];
      for (let round = 0; round < rounds; round += 1) {
        findings.push(await tryOne(fault, policy, script));
      }
      all.push(findings);
    }
  }
  const slowestOf = (isAbsent: boolean): number => {
    const findings = all.flat().filter(({ fault }) => (fault === ABSENT) === isAbsent);
    return worst(findings.flatMap(({ away }) => away.map(({ took }) => took)));
  };
  const [slowest, slowestAtStart] = [slowestOf(false), slowestOf(true)];
  const recovery = worst(all.flat().map((finding) => finding.recovery));
  return {
    tables: [
      {
        title: `A limiter while Redis is away for ${AWAY / 1000} s, ${RATE} requests a second, ${rounds} rounds`,
        rows: all.map(rowOf),
      },
    ],
    goals: [
      {
        text: `every answer within ${LATEST} ms (slowest ${printMs(slowest)})`,
        met: slowest <= LATEST,
      },
      {
        text: `within ${LATEST_AT_START} ms where there was no connection yet (slowest ${printMs(slowestAtStart)})`,
        met: slowestAtStart <= LATEST_AT_START,
      },
      {
        text: `counting in Redis within ${RECOVERY} ms of its coming back (worst ${printMs(recovery, AFTER)})`,
        met: recovery <= RECOVERY,
      },
    ],
  };
};
