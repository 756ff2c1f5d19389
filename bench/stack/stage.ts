/** The servers that take part: started, shown to work, and warm. */
import { strict as assert } from "node:assert";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { profileFlags, type RunArguments, SERVER_CORE } from "../support/arguments.ts";
import { callsPerScript } from "../support/commands.ts";
import { answerOf, pin, startScript } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";
import type { Waits } from "../support/round-trips.ts";
import type { Backend } from "./backends.ts";
import { type Finding, load, type Meter, type Server } from "./load.ts";
import { CONTENDERS, KIT, type Setting } from "./servers.ts";
import { answerTo, signIn, verify, warm } from "./verify.ts";
import { IDS, USERS, type Visitor, type Workload } from "./workloads.ts";

/** Milliseconds under load before anything counts: a server's first seconds cost it several times as much. */
const WARM_UP = 2000;

/** What every part of a run works with. */
export interface Stage {
  readonly values: RunArguments;
  readonly script: string;
  readonly redis: RedisServer;
  readonly backends: Readonly<Record<"tcp" | "rest", Backend>>;
  readonly workloads: readonly Workload[];
  readonly names: readonly string[];
  /** Every process that was started, to be ended. */
  readonly started: ChildProcess[];
}

/** What a server is started with. */
interface Launch {
  readonly isBehindProxy?: boolean;
  readonly fields?: Setting["fields"];
  readonly flags?: readonly string[];
}

/** Whether a contender takes part in a workload. */
export function isIn(workload: Workload, name: string): boolean {
  return (CONTENDERS[name]!.backend === "rest") === (workload === "rest");
}

function backendOf({ backends }: Stage, name: string): Backend | undefined {
  const { backend } = CONTENDERS[name]!;
  return backend === "none" ? undefined : backends[backend];
}

async function startServer(
  stage: Stage,
  name: string,
  { isBehindProxy = false, fields = {}, flags = [] }: Launch = {},
): Promise<Server> {
  const db = CONTENDERS[name]!.backend === "tcp" ? Object.keys(CONTENDERS).indexOf(name) : 0;
  const backend = backendOf(stage, name);
  const to = (isBehindProxy ? backend?.proxyPort : backend?.port) ?? 0;
  const child = startScript(
    stage.script,
    [name, `${to}`, `${db}`, JSON.stringify(fields)],
    ["--no-deprecation", ...flags],
  );
  stage.started.push(child);
  pin(child.pid, SERVER_CORE);
  return { name, child, port: await answerOf<number>(child), db };
}

/** Has a server exit by itself, so that its profile is written. */
export async function leave({ child }: Server): Promise<void> {
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

/** The header fields of the kit's hits, which a bare server is to send as well. */
export async function fieldsOfHits(stage: Stage): Promise<Setting["fields"]> {
  const server = await startServer(stage, KIT);
  const visitors = await signIn(server, USERS.slice(0, 1));
  await warm(server, "signed-in", visitors);
  const { fields } = await answerTo(server.port, "signed-in", IDS[0]!, visitors[0]!);
  await leave(server);
  assert.ok(fields["set-cookie"] === undefined, "a hit that sets a cookie");
  const sent = Object.entries(fields).filter(([name]) => !FRAMING.has(name));
  return Object.fromEntries(sent.map(([name, value]) => [name, String(value)]));
}

/** What one request at a time does. */
export interface Alone {
  readonly waits: Waits;
  /** HTTP requests to the REST API for each; under load, several share one. */
  readonly http: number;
}

/** One request at a time, in a process of its own: the measured one has no proxy in its way. */
export async function aloneOf(stage: Stage, name: string): Promise<Map<Workload, Alone>> {
  const found = new Map<Workload, Alone>();
  // Another process's responses are another host's, and would be read beside this one's.
  await stage.redis.client.flushall();
  const server = await startServer(stage, name, { isBehindProxy: true });
  const visitors = await signIn(server, USERS.slice(0, IDS.length));
  for (const workload of stage.workloads.filter((one) => isIn(one, name))) {
    await warm(server, workload, visitors);
    const send = (n: number): Promise<unknown> =>
      answerTo(server.port, workload, IDS[n % IDS.length]!, visitors[n % IDS.length]!);
    const backend = backendOf(stage, name)!;
    const before = await backend.traffic();
    for (let n = 0; n < IDS.length; n += 1) await send(n);
    const http = ((await backend.traffic()).requests - before.requests) / IDS.length;
    found.set(workload, { waits: await backend.waits(send), http });
  }
  await leave(server);
  return found;
}

/** A server in one workload. */
export interface Entry {
  readonly workload: Workload;
  readonly server: Server;
  readonly visitors: readonly Visitor[];
  readonly meter: Meter;
  readonly rounds: Finding[];
}

/** Starts one server, and shows for each of its workloads that it works. */
export async function prepare(
  stage: Stage,
  name: string,
  fields: Setting["fields"],
): Promise<Entry[]> {
  const { redis, values } = stage;
  const flags = profileFlags(values.profile, values.workload ?? "stack", name);
  const server = await startServer(stage, name, { fields, flags });
  const visitors = await signIn(server, USERS);
  const entries: Entry[] = [];
  for (const workload of stage.workloads.filter((one) => isIn(one, name))) {
    await verify(server, workload, visitors, redis);
    const pids = [process.pid, ...Object.values(stage.backends).map(({ pid }) => pid)];
    const meter = { redis, backend: backendOf(stage, name), perScript: 0, pids };
    await load(workload, server, visitors, WARM_UP, meter);
    const perScript = await callsPerScript(redis, () => warm(server, workload, visitors));
    entries.push({ workload, server, visitors, meter: { ...meter, perScript }, rounds: [] });
  }
  return entries;
}
