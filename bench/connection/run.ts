/** Commands a second and CPU a command: the kit's port beside the clients that it is measured against. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { createAuthority } from "../../__tests__/support/certificates.ts";
import { compile } from "../support/build.ts";
import { counterScript } from "../support/counter-script.ts";
import { machineCpu } from "../support/foreign-load.ts";
import { answerOf, ask, pin, startScript } from "../support/processes.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { printReport } from "../support/report.ts";
import { CONTENDERS } from "./contenders.ts";
import { type Finding, reportOf, type Results } from "./results.ts";
import { keyOf, type Measurement, nameOf, ROWS, type Row } from "./rows.ts";

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
/** How often a measurement is taken until others used at most this share of a core meanwhile. */
const ATTEMPTS = 3;
const TOLERATED = 0.08;

interface Run {
  readonly rows: readonly Row[];
  readonly children: ReadonlyMap<string, ChildProcess>;
  readonly server: RedisServer;
  /** What became of the counting commands, by key. */
  readonly counts: Map<string, { commands: number; failed: number }>;
  note(this: void, row: Row, contender: string, finding: Finding): void;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    ms: { type: "string", default: "600" },
    "warm-up": { type: "string", default: "500" },
    /** Only rows whose name holds this text. */
    only: { type: "string", default: "" },
    /** A folder for the CPU profiles of all contenders. */
    profile: { type: "string" },
    json: { type: "boolean", default: false },
    /** Fails where a goal is missed. */
    check: { type: "boolean", default: false },
  },
});

async function startContenders(
  server: RedisServer,
  ca: string,
): Promise<Map<string, ChildProcess>> {
  const script = compile(new URL("contender.ts", import.meta.url), "contender");
  const children = new Map<string, ChildProcess>();
  for (const [index, name] of Object.keys(CONTENDERS).entries()) {
    const profiling = values.profile === undefined ? [] : profileArguments(values.profile, index);
    const args = [name, `${server.port}`, `${server.tlsPort}`, ca];
    const child = startScript(script, args, profiling);
    pin(child.pid, CLIENT_CORE);
    await answerOf(child);
    children.set(name, child);
  }
  return children;
}

function profileArguments(folder: string, index: number): string[] {
  const name = Object.keys(CONTENDERS)[index]!.replaceAll(/\W+/g, "-");
  return ["--cpu-prof", `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`];
}

/** Microseconds of CPU that the server has used. */
async function serverCpu({ client }: RedisServer): Promise<number> {
  const info = await client.info("cpu");
  const of = (field: string): number => Number(new RegExp(`${field}:([\\d.]+)`).exec(info)?.[1]);
  return (of("used_cpu_user") + of("used_cpu_sys")) * 1e6;
}

/** Measures again while others use the machine, and keeps the least disturbed measurement. */
async function measure(child: ChildProcess, row: Row, ms: number, server: RedisServer) {
  let best: Finding | undefined;
  const counted = { commands: 0, failed: 0 };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const serverBefore = await serverCpu(server);
    const machineBefore = machineCpu();
    const ownBefore = process.cpuUsage();
    const found = await ask<Measurement>(child, { row, ms });
    const own = process.cpuUsage(ownBefore);
    const machine = (machineCpu() ?? NaN) - (machineBefore ?? NaN);
    const serverUsed = (await serverCpu(server)) - serverBefore;
    const known = (found.cpu + serverUsed + own.user + own.system) / 1000;
    const foreign = Math.max(0, (machine - known) / found.elapsed);
    counted.commands += found.commands;
    counted.failed += found.failed;
    if (best === undefined || foreign < best.foreign) {
      best = { ...found, serverCpu: serverUsed, foreign };
    }
    if (!(best.foreign > TOLERATED)) break;
  }
  return { finding: best!, counted };
}

/** Every contender once in each row, in an order that moves on with the round. */
async function round(
  index: number,
  ms: number,
  { rows, children, server, counts, note }: Run,
): Promise<void> {
  const names = [...children.keys()];
  const shift = index % names.length;
  const order = [...names.slice(shift), ...names.slice(0, shift)];
  for (const row of rows) {
    for (const name of order) {
      const { finding, counted } = await measure(children.get(name)!, row, ms, server);
      note(row, name, finding);
      if (row.command !== "evalsha") continue;
      const key = keyOf(name, row);
      const before = counts.get(key) ?? { commands: 0, failed: 0 };
      counts.set(key, {
        commands: before.commands + counted.commands,
        failed: before.failed + counted.failed,
      });
    }
  }
}

/** What was answered is what the server counted: nobody is fast by dropping commands, or by sending them twice. */
async function checkCounts({ server, counts }: Run): Promise<void> {
  for (const [key, { commands, failed }] of counts) {
    const actual = Number(await server.client.get(key));
    if (actual < commands || actual > commands + failed) {
      throw new Error(`${key}: ${commands} answered, ${failed} failed, ${actual} counted.`);
    }
  }
}

async function endContenders({ children }: Run): Promise<void> {
  for (const child of children.values()) {
    const exited = once(child, "exit");
    child.send("end");
    await exited;
  }
}

async function main(): Promise<void> {
  const authority = await createAuthority("Bench CA");
  const identity = await authority.issue("127.0.0.1", "localhost");
  const server = await startRedis({
    core: SERVER_CORE,
    tls: { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile },
  });
  try {
    pin(process.pid, SERVER_CORE); // It sleeps while a contender is measured.
    await server.client.script("LOAD", counterScript.lua);
    await server.client.set("bench:value", "x".repeat(64), "PX", 600_000);
    const children = await startContenders(server, authority.ca);
    const rows = ROWS.filter((row) => nameOf(row).includes(values.only));
    const results: Results = new Map(rows.map((row) => [row, new Map()]));
    const run: Run = { rows, children, server, counts: new Map(), note: () => {} };
    await round(0, Number(values["warm-up"]), run);
    const note: Run["note"] = (row, name, finding) => {
      const of = results.get(row)!;
      of.set(name, [...(of.get(name) ?? []), finding]);
    };
    for (let index = 0; index < Number(values.rounds); index += 1) {
      await round(index, Number(values.ms), { ...run, note });
    }
    await checkCounts(run);
    await endContenders(run);
    const report = reportOf(results);
    printReport(report, values.json);
    if (values.check && report.goals.some(({ met }) => !met)) process.exitCode = 1;
  } finally {
    await server.stop();
    authority.remove();
  }
}

await main();
