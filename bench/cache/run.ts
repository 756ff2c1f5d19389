/** Response caches side by side: hits, misses that come at once, and what each gets right. */
import { strict as assert } from "node:assert";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { LOAD_CORE, profileFlags, readArguments, SERVER_CORE } from "../support/arguments.ts";
import { compile } from "../support/build.ts";
import { countWhenQuiet } from "../support/commands.ts";
import { answerOf, ask, end, pin, startScript } from "../support/processes.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { printReport } from "../support/report.ts";
import { roundTrips } from "../support/round-trips.ts";
import { type SlowProxy, startSlowProxy } from "../support/slow-proxy.ts";
import { type Finding, load, type Server } from "./load.ts";
import { get } from "./request.ts";
import { type Character, reportOf, type Rounds } from "./results.ts";
import { IDS, type Workload, WORKLOADS } from "./routes.ts";
import { CONTENDERS, knowsMemory, isBare, KIT, KIT_IN_MEMORY, type Setting } from "./servers.ts";
import type { Usage } from "../support/measured-server.ts";
import { stampede } from "./stampede.ts";
import { bytes, hit, verify } from "./verify.ts";

/** Hits that show where they come from. */
const PROBES = 10;

const values = readArguments({ rounds: 15, ms: 700 });

/** What every part of a run works with. */
interface Bench {
  readonly script: string;
  readonly redis: RedisServer;
  readonly proxy: SlowProxy;
  readonly names: readonly string[];
  /** Every process that was started, to be ended. */
  readonly started: ChildProcess[];
}

/** What a server is started with. */
interface Launch {
  readonly redisPort?: number;
  readonly fields?: Setting["fields"];
  readonly flags?: readonly string[];
}

async function startServer(
  { script, redis, started }: Bench,
  name: string,
  { redisPort = redis.port, fields = {}, flags = [] }: Launch = {},
): Promise<Server> {
  const args = [name, `${redisPort}`, JSON.stringify(fields)];
  const child = startScript(script, args, ["--no-deprecation", ...flags]);
  started.push(child);
  pin(child.pid, SERVER_CORE);
  return { name, child, port: await answerOf<number>(child) };
}

/** Has a server exit by itself, so that its profile is written. */
async function leave({ child }: Server): Promise<void> {
  const exited = once(child, "exit");
  child.send("end");
  await exited;
}

/** What HTTP and Express send by themselves. */
const FRAMING = new Set([
  "x-powered-by",
  "connection",
  "keep-alive",
  "date",
  "content-length",
  "transfer-encoding",
]);

/** The header fields of the kit's hits, which the bare servers are to send as well. */
async function fieldsOfHits(bench: Bench): Promise<Setting["fields"]> {
  const server = await startServer(bench, KIT);
  const fields: Record<string, Record<string, string>> = {};
  for (const workload of WORKLOADS) {
    const { answer, isHit } = await hit(server, `/${workload}/100`);
    assert.ok(isHit, `${KIT} did not store ${workload}`);
    fields[workload] = Object.fromEntries(
      Object.entries(answer.fields)
        .filter(([name]) => !FRAMING.has(name))
        .map(([name, value]) => [name, String(value)]),
    );
  }
  await end(server.child);
  return fields;
}

/** Whether the kit's hits come from memory: an option may be taken and left out. */
async function worksInMemory(bench: Bench): Promise<boolean> {
  if (!knowsMemory()) return false;
  const { redis } = bench;
  const { child, port } = await startServer(bench, KIT_IN_MEMORY);
  const turn = (): Promise<Usage> => ask(child, "usage");
  await hit({ child, port }, "/json/100");
  const before = await countWhenQuiet(redis, turn);
  for (let n = 0; n < PROBES; n += 1) await get(port, "/json/100");
  const after = await countWhenQuiet(redis, turn);
  await end(child);
  return after.all - before.all < PROBES;
}

async function callsAtOnce(bench: Bench, name: string, processes: number): Promise<number> {
  await bench.redis.client.flushall();
  const servers: Server[] = [];
  for (let n = 0; n < processes; n += 1) servers.push(await startServer(bench, name));
  const calls = await stampede(servers, "100");
  for (const { child } of servers) await end(child);
  return calls;
}

/** In a process of its own: the measured one has no proxy in its way. */
async function tripsOf(bench: Bench, name: string): Promise<number> {
  await bench.redis.client.flushall();
  const server = await startServer(bench, name, { redisPort: bench.proxy.port });
  const { isHit } = await hit(server, "/json/100");
  assert.ok(isHit, `${name} did not store`);
  const trips = await roundTrips(bench.proxy, async () => {
    assert.equal((await get(server.port, "/json/100")).status, 200);
  });
  await end(server.child);
  return trips;
}

async function characterOf(bench: Bench, name: string): Promise<Character> {
  await bench.redis.client.flushall();
  const server = await startServer(bench, name);
  const verdict = await verify(server, bench.redis);
  await end(server.child);
  const isAlone = CONTENDERS[name]!.store === "memory";
  const one = await callsAtOnce(bench, name, 1);
  const two = isAlone ? NaN : await callsAtOnce(bench, name, 2);
  return { verdict, calls: [one, two], roundTrips: await tripsOf(bench, name) };
}

async function measure(
  bench: Bench,
  workload: Workload,
  fields: Setting["fields"],
): Promise<Rounds> {
  const { names, redis } = bench;
  await redis.client.flushall();
  const servers: (Server & { readonly findings: Finding[] })[] = [];
  for (const name of names) {
    const flags = profileFlags(values.profile, workload, name);
    const server = await startServer(bench, name, { fields, flags });
    if (isBare(name)) assert.equal(await bytes(server), "same", name);
    for (const id of IDS) assert.ok((await hit(server, `/${workload}/${id}`)).isHit, name);
    await load(workload, server, values.ms / 2, redis);
    servers.push({ ...server, findings: [] });
  }
  for (let round = 0; round < values.rounds; round += 1) {
    const shift = round % servers.length;
    for (const server of [...servers.slice(shift), ...servers.slice(0, shift)]) {
      server.findings.push(await load(workload, server, values.ms, redis));
    }
  }
  for (const server of servers) await leave(server);
  return new Map(servers.map(({ name, findings }) => [name, findings]));
}

async function main(): Promise<void> {
  const workloads = WORKLOADS.filter((one) => one === (values.workload ?? one));
  if (workloads.length === 0) throw new Error(`--workload is one of ${WORKLOADS.join(", ")}.`);
  const script = compile(new URL("server-process.ts", import.meta.url), "cache-server");
  const redis = await startRedis({ core: LOAD_CORE });
  pin(process.pid, LOAD_CORE);
  const proxy = await startSlowProxy(redis.port);
  const wanted = Object.keys(CONTENDERS).filter(
    (name) => isBare(name) || name.includes(values.only),
  );
  const started: ChildProcess[] = [];
  const characters = new Map<string, Character>();
  const results = new Map<Workload, Rounds>();
  try {
    const all = { script, redis, proxy, names: wanted, started };
    const names = (await worksInMemory(all))
      ? wanted
      : wanted.filter((name) => name !== KIT_IN_MEMORY);
    const bench = { ...all, names };
    for (const name of names) {
      if (!isBare(name)) characters.set(name, await characterOf(bench, name));
    }
    const fields = await fieldsOfHits(bench);
    for (const workload of workloads) results.set(workload, await measure(bench, workload, fields));
  } finally {
    await Promise.all(started.map((child) => end(child)));
    await proxy.stop();
    await redis.stop();
  }
  const report = reportOf({ characters, workloads: results });
  printReport(report, values.json);
  if (values.check && report.goals.some(({ met }) => !met)) process.exitCode = 1;
}

await main();
// The peers' clients may keep sockets and timers for what they still wait for.
process.exit();
