/** The whole stack side by side: limiter, session, guard and cache, by the kit and by hand. */
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { LOAD_CORE, readArguments } from "../support/arguments.ts";
import { compile } from "../support/build.ts";
import { end, pin } from "../support/processes.ts";
import { startRedis } from "../support/redis-server.ts";
import { printReport } from "../support/report.ts";
import { redisBackend, restBackend } from "./backends.ts";
import { load } from "./load.ts";
import { machineOf } from "./machine.ts";
import type { Outcome, Results } from "./outcomes.ts";
import { markdownOf } from "./markdown.ts";
import { reportOf } from "./results.ts";
import { CONTENDERS, isBare } from "./servers.ts";
import {
  type Alone,
  type Entry,
  fieldsOfHits,
  isIn,
  leave,
  prepare,
  type Stage,
  aloneOf,
} from "./stage.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

/** All that a run may take, in milliseconds, compiling included. */
const BOUND = 300_000;
/** Of that, what ending takes. */
const RESERVE = 5000;

const STANDARD = { rounds: 5, ms: 1000 };

const RESULTS = new URL("../results.md", import.meta.url);

const values = readArguments(STANDARD);

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Every entry once a round, in an order that moves on with the round, as long as there is time. */
async function measure(entries: readonly Entry[]): Promise<void> {
  let longest = 0;
  for (let round = 0; round < values.rounds; round += 1) {
    const started = performance.now();
    if (started + longest > BOUND - RESERVE) {
      if (round === 0) throw new Error("No time for a round: measure a part, with --workload.");
      note(`There was time for ${round} of ${values.rounds} rounds: a run ends in 5 minutes.`);
      return;
    }
    const shift = round % entries.length;
    for (const entry of [...entries.slice(shift), ...entries.slice(0, shift)]) {
      const { workload, server, visitors, meter, rounds } = entry;
      rounds.push(await load(workload, server, visitors, values.ms, meter));
    }
    longest = Math.max(longest, performance.now() - started);
  }
}

async function resultsOf(stage: Stage): Promise<Results> {
  const { names, redis, workloads } = stage;
  const fields = names.some(isBare) ? await fieldsOfHits(stage) : {};
  const alone = new Map<string, Map<Workload, Alone>>();
  for (const name of names) if (!isBare(name)) alone.set(name, await aloneOf(stage, name));
  await redis.client.flushall();
  const entries: Entry[] = [];
  for (const name of names) entries.push(...(await prepare(stage, name, fields)));
  await measure(entries);
  for (const server of new Set(entries.map(({ server: one }) => one))) await leave(server);
  const results = new Map(workloads.map((one) => [one, new Map<string, Outcome>()]));
  for (const { workload, server, rounds } of entries) {
    const outcome = { rounds, alone: alone.get(server.name)?.get(workload) };
    results.get(workload)!.set(server.name, outcome);
  }
  return results;
}

/** Whether all was measured, and as long as is usual: a look at a part leaves the results alone. */
function isWhole(): boolean {
  const { only, workload, profile, rounds, ms } = values;
  const isAll = only === "" && workload === undefined && profile === undefined;
  return isAll && rounds >= STANDARD.rounds && ms >= STANDARD.ms;
}

async function main(): Promise<void> {
  const workloads = WORKLOADS.filter((one) => one === (values.workload ?? one));
  if (workloads.length === 0) throw new Error(`--workload is one of ${WORKLOADS.join(", ")}.`);
  const names = Object.keys(CONTENDERS).filter(
    (name) =>
      workloads.some((workload) => isIn(workload, name)) &&
      (isBare(name) || name.includes(values.only)),
  );
  const script = compile(new URL("server-process.ts", import.meta.url), "stack-server");
  const restScript = compile(new URL("rest-process.ts", import.meta.url), "stack-rest");
  const redis = await startRedis({ core: LOAD_CORE });
  pin(process.pid, LOAD_CORE);
  const backends = { tcp: await redisBackend(redis), rest: await restBackend(restScript, redis) };
  const started: ChildProcess[] = [];
  try {
    const stage = { values, script, redis, backends, workloads, names, started };
    const results = await resultsOf(stage);
    const report = reportOf(results);
    printReport(report, values.json);
    note(report.disturbance);
    if (isWhole()) writeFileSync(RESULTS, markdownOf(report, await machineOf(redis)));
    else note("Not the whole run, so bench/results.md stays as it is.");
    const isFailed = report.goals.some(({ met, isMust }) => isMust && !met);
    if (values.check && isFailed) process.exitCode = 1;
  } finally {
    await Promise.all(started.map((child) => end(child)));
    for (const backend of Object.values(backends)) await backend.stop();
    await redis.stop();
  }
}

setTimeout(() => {
  note("The run was ended: it had taken 5 minutes.");
  process.exit(1);
}, BOUND).unref();
await main();
// The peers' clients may keep sockets and timers for what they still wait for.
process.exit();
