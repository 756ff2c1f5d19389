/** Sessions while Redis is frozen, killed, or absent at the start: what each kind of request is answered. */
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { compile } from "../support/build.ts";
import { answerOf, end, startScript } from "../support/processes.ts";
import { createRedis, type RedisServer } from "../support/redis-server.ts";
import { type Goal, printMs, type Report, type Table } from "../support/report.ts";
import { worst } from "../support/statistics.ts";
import { DEADLINE, type Scenario } from "./scenario.ts";
import {
  cookiesOfNothing,
  type Holders,
  idOf,
  type Kind,
  KINDS,
  readsAgain,
  type Sent,
  signInAll,
  startLoad,
} from "./session-load.ts";

/** Requests a second, of all kinds together. */
const RATE = 140;
/** Milliseconds. */
const BEFORE = 1500;
const AWAY = 4000;
const AFTER = 2000;
/** How long the signed-in read is waited for. */
const BOUND = 3000;
/** By when every answer should be there, once there was a connection. */
const LATEST = DEADLINE + 50;
/** By when before that: the kit's `connectDeadline`. */
const LATEST_AT_START = 3000;
/** Signed-in reads again, from the moment at which Redis can answer them. */
const RECOVERY = 1000;
/** One for each logout of a run, and as many more for what a late timer begins at once. */
const LOGOUTS = Math.ceil((2 * (BEFORE + AWAY + AFTER + BOUND) * RATE) / 7000);

/** Redis writes before it answers: what it acknowledged outlives a SIGKILL without a flush to the disk. */
const DURABLE = ["--appendonly", "yes", "--appendfsync", "no"];

interface Fault {
  readonly name: string;
  readonly isDurable: boolean;
  /** The app that is measured starts while Redis is away. */
  readonly isAtStart: boolean;
  begin(this: void, redis: RedisServer): Promise<void>;
  end(this: void, redis: RedisServer): Promise<void>;
}

const KILLED = {
  begin: (redis: RedisServer) => redis.end(),
  end: (redis: RedisServer) => redis.start(),
};

const FAULTS: readonly Fault[] = [
  {
    name: "frozen",
    isDurable: true,
    isAtStart: false,
    begin: async (redis) => redis.signal("SIGSTOP"),
    end: async (redis) => redis.signal("SIGCONT"),
  },
  { name: "killed, then restarted empty", isDurable: false, isAtStart: false, ...KILLED },
  { name: "killed, then restarted with its data", isDurable: true, isAtStart: false, ...KILLED },
  { name: "absent at the start, then with its data", isDurable: true, isAtStart: true, ...KILLED },
];

interface Finding {
  readonly fault: Fault;
  /** Sent and due while Redis was away. */
  readonly away: readonly Sent[];
  /** Of those, the ones that gave away a session id: nothing was acknowledged meanwhile. */
  readonly unfounded: readonly Sent[];
  /** Answers of the whole run whose cookie names a session that is not there afterwards. */
  readonly nothing: readonly Sent[];
  /** Answers that failed before Redis went away, or when it was back for long enough. */
  readonly failed: readonly Sent[];
  /** From the moment at which Redis answers to a signed-in read; NaN where the data is gone. */
  readonly recovery: number;
}

interface Clock {
  /** Redis was away from here on … */
  readonly from: number;
  /** … to here, and took commands from then on. */
  readonly until: number;
  readonly back: number;
  readonly recovery: number;
}

/** Lets the load run into the fault and out of it. */
async function goThrough(
  fault: Fault,
  redis: RedisServer,
  port: number,
  holders: Holders,
): Promise<Clock & { sent: readonly Sent[] }> {
  const sent: Sent[] = [];
  const pace = startLoad(port, RATE, holders, sent);
  if (!fault.isAtStart) {
    await delay(BEFORE);
    await fault.begin(redis);
  }
  const from = fault.isAtStart ? 0 : performance.now();
  await delay(AWAY);
  const until = performance.now();
  await fault.end(redis);
  const back = performance.now();
  const recovery = fault.isDurable ? await readsAgain(port, holders, BOUND) : NaN;
  await delay(AFTER);
  await pace.stop(5000);
  return { from, until, back, recovery, sent };
}

async function tryOne(fault: Fault, script: string): Promise<Finding> {
  const redis = await createRedis({ args: () => (fault.isDurable ? DURABLE : []) });
  const children: ChildProcess[] = [];
  const startApp = (): Promise<number> => {
    const child = startScript(script, [`${redis.port}`]);
    children.push(child);
    return answerOf<number>(child);
  };
  try {
    await redis.start();
    let port = await startApp();
    const holders = await signInAll(port, LOGOUTS);
    if (fault.isAtStart) {
      await fault.begin(redis);
      await end(children[0]!);
      port = await startApp();
    }
    const { from, until, back, recovery, sent } = await goThrough(fault, redis, port, holders);
    const away = sent.filter(({ sentAt }) => sentAt >= from && sentAt < until - DEADLINE);
    const usual = sent.filter(
      ({ sentAt }) => sentAt < from - 2 * DEADLINE || sentAt > back + RECOVERY,
    );
    // An empty Redis does not know what its predecessor acknowledged, rightly.
    const judged = fault.isDurable ? sent : sent.filter(({ sentAt }) => sentAt >= from);
    return {
      fault,
      away,
      unfounded: away.filter((one) => idOf(one) !== undefined && one.sentAt + one.took < until),
      nothing: await cookiesOfNothing(port, redis, judged),
      failed: usual.filter(({ status }) => status < 200 || status >= 300),
      recovery,
    };
  } finally {
    await Promise.all(children.map((child) => end(child)));
    await redis.stop();
  }
}

function labelOf({ status, retryAfter }: Sent): string {
  if (status === 0) return "cut off";
  if (status !== 503) return `${status}`;
  return retryAfter === undefined ? "503 without Retry-After" : "503";
}

function answersOf(sent: readonly Sent[]): string {
  const counts = new Map<string, number>();
  for (const label of sent.map(labelOf)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, count]) => `${label}: ${count}`).join(", ");
}

function rowOf(findings: readonly Finding[], kind: Kind) {
  const isOfKind = (one: Sent): boolean => one.kind === kind;
  const away = findings.flatMap((finding) => finding.away.filter(isOfKind));
  const ids = findings.flatMap(({ unfounded }) => unfounded.filter(isOfKind));
  const nothing = findings.flatMap((finding) => finding.nothing.filter(isOfKind));
  return {
    Redis: findings[0]!.fault.name,
    request: KINDS[kind],
    "answers while away": answersOf(away),
    slowest: printMs(worst(away.map(({ took }) => took))),
    "ids given away meanwhile": ids.length,
    "cookies of nothing": nothing.length,
  };
}

function tablesOf(all: readonly (readonly Finding[])[]): Table[] {
  const kinds = Object.keys(KINDS) as Kind[];
  const rounds = all[0]?.length ?? 0;
  return [
    {
      title: `Sessions while Redis is away for ${AWAY / 1000} s, ${RATE} requests a second, ${rounds} rounds`,
      rows: all.flatMap((findings) => kinds.map((kind) => rowOf(findings, kind))),
    },
    {
      title: "From Redis's return to a signed-in read that finds its user",
      rows: all
        .filter(([finding]) => finding!.fault.isDurable)
        .map((findings) => ({
          Redis: findings[0]!.fault.name,
          worst: printMs(worst(findings.map(({ recovery }) => recovery)), BOUND),
        })),
    },
  ];
}

/** What does not need a session goes on; all else is told to come again. */
function isAsPromised(one: Sent): boolean {
  return labelOf(one) === (one.kind === "anonymous" ? "200" : "503");
}

function goalsOf(all: readonly Finding[]): Goal[] {
  const slowestOf = (isAtStart: boolean): number => {
    const findings = all.filter(({ fault }) => fault.isAtStart === isAtStart);
    return worst(findings.flatMap(({ away }) => away.map(({ took }) => took)));
  };
  const [slowest, slowestAtStart] = [slowestOf(false), slowestOf(true)];
  const others = all.flatMap(({ away }) => away.filter((one) => !isAsPromised(one))).length;
  const unfounded = all.flatMap((finding) => finding.unfounded).length;
  const nothing = all.flatMap((finding) => finding.nothing).length;
  const failed = all.flatMap((finding) => finding.failed).length;
  const recovery = worst(
    all.filter(({ fault }) => fault.isDurable).map((finding) => finding.recovery),
  );
  return [
    { text: `no cookie of a session that is not stored (${nothing})`, met: nothing === 0 },
    { text: `no session id given away while Redis was away (${unfounded})`, met: unfounded === 0 },
    {
      text: `without a cookie and a write 200, all else 503 with Retry-After (${others} otherwise)`,
      met: others === 0,
    },
    {
      text: `all as usual before it, and ${RECOVERY} ms after it (${failed} failed)`,
      met: failed === 0,
    },
    {
      text: `every answer within ${LATEST} ms (slowest ${printMs(slowest)})`,
      met: slowest <= LATEST,
    },
    {
      text: `within ${LATEST_AT_START} ms where there was no connection yet (slowest ${printMs(slowestAtStart)})`,
      met: slowestAtStart <= LATEST_AT_START,
    },
    {
      text: `signed-in reads within ${RECOVERY} ms of its coming back (worst ${printMs(recovery, BOUND)})`,
      met: recovery <= RECOVERY,
    },
  ];
}

/** Runs the scenario. */
export const sessions: Scenario = async (rounds): Promise<Report> => {
  const script = compile(new URL("session-process.ts", import.meta.url), "session-process");
  const all: Finding[][] = [];
  for (const fault of FAULTS) {
    const findings: Finding[] = [];
    for (let round = 0; round < rounds; round += 1) findings.push(await tryOne(fault, script));
    all.push(findings);
  }
  return { tables: tablesOf(all), goals: goalsOf(all.flat()) };
};
