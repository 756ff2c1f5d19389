/** A frozen server: redis-server stands still for some seconds, under HTTP load, and goes on. */
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { compile } from "../support/build.ts";
import { type Exchange, exchange } from "../support/http.ts";
import { startPace } from "../support/pace.ts";
import { answerOf, end, startScript } from "../support/processes.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { printMs, type Report } from "../support/report.ts";
import { median, quantile, worst } from "../support/statistics.ts";
import { DEADLINE, type Scenario } from "./scenario.ts";

/** Requests a second, to each app. */
const RATE = 100;
/** Milliseconds. */
const BEFORE = 2000;
const FROZEN = 8000;
const AFTER = 4000;
/** After this much of the frost the breaker is open for certain. */
const OPEN_AFTER = 1000;
/** By when every answer should be there. */
const LATEST = DEADLINE + 50;

type Kind = "kit" | "hand-wired";

interface Finding {
  readonly app: Kind;
  readonly frozen: readonly Exchange[];
  /** What was sent once the breaker was open, to the app and to bare Express beside it. */
  readonly open: readonly Exchange[];
  readonly bare: readonly Exchange[];
  /** From SIGCONT to the first answer after the last failure; Infinity for none. */
  readonly recovery: number;
  readonly requests: number;
  /** What the limiter counted in Redis. */
  readonly counted: number;
}

/** Anonymous, cached and signed-in requests in turn. */
function sendNext(port: number, index: number, cookie: string | undefined): Promise<Exchange> {
  const path = ["/plain", "/page", "/me"][index % 3]!;
  return exchange(port, { path, cookie: path === "/me" ? cookie : undefined });
}

async function startLoad(port: number) {
  const { cookie } = await exchange(port, { method: "POST", path: "/login" });
  const exchanges: Exchange[] = [];
  const pace = startPace(RATE, async (index) => {
    exchanges.push(await sendNext(port, index, cookie));
  });
  return { exchanges, pace };
}

/** Whether an answer took all that Redis gives: the signed-in user's session, too. */
function isNormal({ path, status, body }: Exchange): boolean {
  return status === 200 && (path !== "/me" || body.includes("bench"));
}

function recoveryOf(exchanges: readonly Exchange[], thawedAt: number): number {
  const failed = exchanges.filter((one) => !isNormal(one)).map(({ sentAt }) => sentAt);
  const from = Math.max(thawedAt, ...failed);
  const normal = exchanges.filter(({ path, sentAt }) => path === "/me" && sentAt > from);
  return Math.min(...normal.map(({ sentAt, took }) => sentAt + took)) - thawedAt;
}

/** What the limiters counted: the kit's key holds a meter, the other's a number. */
async function countedBy({ client }: RedisServer, app: Kind): Promise<number> {
  const keys = await client.keys(app === "kit" ? "ratelimit:*" : "rl:*");
  const values = await Promise.all(keys.map((key) => client.get(key)));
  const counts = values.map((value) => Number(app === "kit" ? value?.split(" ")[6] : value));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function tryOne(app: Kind, script: string): Promise<Finding> {
  const server = await startRedis();
  const processes: ChildProcess[] = [];
  const startApp = async (kind: string): Promise<number> => {
    const child = startScript(script, [kind, `${server.port}`]);
    processes.push(child);
    return answerOf<number>(child);
  };
  try {
    const loads = [await startLoad(await startApp(app)), await startLoad(await startApp("bare"))];
    await delay(BEFORE);
    const frozenAt = performance.now();
    server.signal("SIGSTOP");
    await delay(FROZEN);
    server.signal("SIGCONT");
    const thawedAt = performance.now();
    await delay(AFTER);
    await Promise.all(loads.map(({ pace }) => pace.stop(10_000)));
    const [own, bare] = loads.map(({ exchanges }) => exchanges) as [Exchange[], Exchange[]];
    const sentIn = (exchanges: Exchange[], from: number): Exchange[] =>
      exchanges.filter(({ sentAt }) => sentAt >= from && sentAt < thawedAt);
    return {
      app,
      frozen: sentIn(own, frozenAt - DEADLINE),
      open: sentIn(own, frozenAt + OPEN_AFTER),
      bare: sentIn(bare, frozenAt + OPEN_AFTER),
      recovery: recoveryOf(own, thawedAt),
      requests: own.length + 1, // The sign-in counts too.
      counted: await countedBy(server, app),
    };
  } finally {
    await Promise.all(processes.map((child) => end(child)));
    await server.stop();
  }
}

function statusesOf(exchanges: readonly Exchange[]): string {
  const counts = new Map<number, number>();
  for (const { status } of exchanges) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, count]) => `${status || "none"}: ${count}`).join(", ");
}

function timesOf(exchanges: readonly Exchange[]): number[] {
  return exchanges.map(({ took }) => took);
}

function rowOf(app: Kind, own: readonly Finding[]) {
  const open = own.flatMap((finding) => timesOf(finding.open));
  const bare = own.flatMap((finding) => timesOf(finding.bare));
  return {
    app,
    rounds: own.length,
    "slowest answer": printMs(worst(own.flatMap(({ frozen }) => timesOf(frozen)))),
    "over 300 ms": own.flatMap(({ frozen }) => timesOf(frozen).filter((ms) => ms > LATEST)).length,
    "open: median": printMs(median(open)),
    "open: p99": printMs(quantile(open, 0.99)),
    "bare: median": printMs(median(bare)),
    "bare: p99": printMs(quantile(bare, 0.99)),
    "recovery, median": printMs(median(own.map(({ recovery }) => recovery))),
    "recovery, worst": printMs(worst(own.map(({ recovery }) => recovery))),
    "counted too much": worst(own.map(({ counted, requests }) => Math.max(0, counted - requests))),
    "answers while frozen": statusesOf(own.flatMap(({ frozen }) => frozen)),
  };
}

function reportOf(kit: readonly Finding[], byHand: readonly Finding[]): Report {
  const slowest = worst(kit.flatMap(({ frozen }) => timesOf(frozen)));
  const open = kit.flatMap((finding) => timesOf(finding.open));
  const bare = kit.flatMap((finding) => timesOf(finding.bare));
  const distances = [0.5, 0.99].map((share) => quantile(open, share) - quantile(bare, share));
  const recovery = worst(kit.map((finding) => finding.recovery));
  const [atMedian, atP99] = distances.map((ms) => `${ms.toFixed(1)} ms`);
  return {
    tables: [
      {
        title: `Redis frozen for ${FROZEN / 1000} s, ${RATE} requests a second`,
        rows: [rowOf("kit", kit), rowOf("hand-wired", byHand)],
      },
    ],
    goals: [
      {
        text: `every answer within ${LATEST} ms (slowest ${printMs(slowest)})`,
        met: slowest <= LATEST,
      },
      {
        text: `once the breaker is open, within 5 ms of bare Express (median ${atMedian}, p99 ${atP99})`,
        met: distances.every((ms) => ms <= 5),
      },
      { text: `normal within 1 s of the thaw (worst ${printMs(recovery)})`, met: recovery < 1000 },
      {
        text: "Redis counted no more than was sent",
        met: kit.every(({ counted, requests }) => counted <= requests),
      },
    ],
  };
}

/** Runs the scenario: the kit in each round, the hand-wired stack once. */
export const frozen: Scenario = async (rounds) => {
  const script = compile(new URL("app-process.ts", import.meta.url), "app-process");
  const kit: Finding[] = [];
  for (let round = 0; round < rounds; round += 1) kit.push(await tryOne("kit", script));
  return reportOf(kit, [await tryOne("hand-wired", script)]);
};
