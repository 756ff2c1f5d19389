/** Sessions side by side: signed-in requests that read, that write, and logins. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { LOAD_CORE, profileFlags, readArguments, SERVER_CORE } from "../support/arguments.ts";
import { compile } from "../support/build.ts";
import { callsPerScript } from "../support/commands.ts";
import { answerOf, end, pin, startScript } from "../support/processes.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { printReport } from "../support/report.ts";
import { roundTrips } from "../support/round-trips.ts";
import { type Finding, load, type Server } from "./load.ts";
import { type Outcome, type Outcomes, reportOf } from "./results.ts";
import { BARE, CONTENDERS } from "./servers.ts";
import { type SlowProxy, startSlowProxy } from "../support/slow-proxy.ts";
import { answerTo, signAllIn, verify } from "./verify.ts";
import { type Workload, WORKLOADS } from "./workloads.ts";

/** Who asks a server whose Redis is behind the proxy. */
const PROXIED_VISITORS = 20;

const values = readArguments({ rounds: 5, ms: 2000 });

/** What every part of a run works with. */
interface Bench {
  readonly script: string;
  readonly redis: RedisServer;
  readonly proxy: SlowProxy;
  readonly names: readonly string[];
  /** Every process that was started, to be ended. */
  readonly started: ChildProcess[];
}

/** Has a server exit by itself, so that its profile is written. */
async function leave(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.send("end");
  await exited;
}

async function startServer(
  { script, started }: Bench,
  name: string,
  redisPort: number,
  flags: readonly string[] = [],
): Promise<{ child: ChildProcess; port: number }> {
  const child = startScript(script, [name, `${redisPort}`], flags);
  started.push(child);
  pin(child.pid, SERVER_CORE);
  return { child, port: await answerOf<number>(child) };
}

/** A server that was shown to work and is warm. */
interface Prepared extends Server {
  readonly earlierSession: string;
  readonly perScript: number;
  readonly rounds: Finding[];
}

async function prepare(bench: Bench, workload: Workload, name: string): Promise<Prepared> {
  const { redis } = bench;
  const { child, port } = await startServer(
    bench,
    name,
    redis.port,
    profileFlags(values.profile, workload, name),
  );
  const earlierSession = await verify(name, port, redis);
  const server = { name, child, port, visitors: await signAllIn(name, port) };
  await load(workload, server, values.ms / 2, redis, 0);
  const perScript = await callsPerScript(redis, async () => {
    for (const visitor of server.visitors) await answerTo(port, workload, visitor);
  });
  return { ...server, earlierSession, perScript, rounds: [] };
}

/** In a process of its own: the measured one has no proxy in its way. */
async function tripsOf(bench: Bench, workload: Workload, server: Server): Promise<number> {
  const { proxy } = bench;
  if (CONTENDERS[server.name]!.prefix === undefined) return NaN;
  const { child, port } = await startServer(bench, server.name, proxy.port);
  const visitors = server.visitors.slice(0, PROXIED_VISITORS);
  const send = (n: number): Promise<unknown> =>
    answerTo(port, workload, visitors[n % visitors.length]!);
  // Connections are opened, scripts loaded, and every visitor has been here before: the kit waits
  // twice for a session that its process has not seen yet.
  for (let n = 0; n < visitors.length; n += 1) await send(n);
  const trips = await roundTrips(proxy, send);
  await leave(child);
  return trips;
}

async function measure(bench: Bench, workload: Workload): Promise<Outcomes> {
  const { names, redis } = bench;
  await redis.client.flushall();
  const servers: Prepared[] = [];
  for (const name of names) servers.push(await prepare(bench, workload, name));
  for (let round = 0; round < values.rounds; round += 1) {
    const shift = round % servers.length;
    for (const server of [...servers.slice(shift), ...servers.slice(0, shift)]) {
      const { rounds, perScript } = server;
      rounds.push(await load(workload, server, values.ms, redis, perScript));
    }
  }
  for (const { child } of servers) await leave(child);
  const outcomes = new Map<string, Outcome>();
  for (const server of servers) {
    const { name, rounds, earlierSession } = server;
    const trips = await tripsOf(bench, workload, server);
    outcomes.set(name, { rounds, roundTrips: trips, earlierSession });
  }
  return outcomes;
}

async function main(): Promise<void> {
  const workloads = WORKLOADS.filter((one) => one === (values.workload ?? one));
  if (workloads.length === 0) throw new Error(`--workload is one of ${WORKLOADS.join(", ")}.`);
  const script = compile(new URL("server-process.ts", import.meta.url), "session-server");
  const redis = await startRedis({ core: LOAD_CORE });
  pin(process.pid, LOAD_CORE);
  const proxy = await startSlowProxy(redis.port);
  const names = Object.keys(CONTENDERS).filter(
    (name) => name === BARE || name.includes(values.only),
  );
  const started: ChildProcess[] = [];
  const results = new Map<Workload, Outcomes>();
  try {
    const bench = { script, redis, proxy, names, started };
    for (const workload of workloads) results.set(workload, await measure(bench, workload));
  } finally {
    await Promise.all(started.map((child) => end(child)));
    await proxy.stop();
    await redis.stop();
  }
  const report = reportOf(results);
  printReport(report, values.json);
  if (values.check && report.goals.some(({ met }) => !met)) process.exitCode = 1;
}

await main();
// The peers' clients may keep sockets and timers for what they still wait for.
process.exit();
