/** Requests from 50 connections to one server, and what they cost it. */
import { strict as assert } from "node:assert";
import type { ChildProcess } from "node:child_process";
import autocannon from "autocannon";
import { countWhenQuiet } from "../support/commands.ts";
import { machineCpu, processCpu } from "../support/foreign-load.ts";
import { ask } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { quantile } from "../support/statistics.ts";
import type { Backend } from "./backends.ts";
import type { Usage } from "../support/measured-server.ts";
import { quotaLeft } from "./verify.ts";
import { BODY_LENGTH, messagesOf, type Visitor, type Workload } from "./workloads.ts";

/** What one server did under load. */
export interface Finding {
  /** Answers of 200. */
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  /** Milliseconds. */
  readonly p99: number;
  /** Microseconds of the server's process per request. */
  readonly cpu: number;
  /** Commands that reached Redis per request, those inside of scripts not counted. */
  readonly sent: number;
  /** Commands that scripts called, per request. */
  readonly called: number;
  /** Bytes per request to Redis, or to its REST API. */
  readonly bytesTo: number;
  /** Bytes per request from there. */
  readonly bytesFrom: number;
  /** HTTP requests to the REST API per request. */
  readonly http: number;
  /** Answers other than 200, of a handler or not counted by the limiter, and requests without any. */
  readonly unexpected: number;
  /** Of a core, that other programs used meanwhile. NaN where the system does not tell. */
  readonly foreign: number;
}

/** A server under measurement. */
export interface Server {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
  readonly db: number;
}

/** What counts what passes between it and Redis. */
export interface Meter {
  readonly redis: RedisServer;
  /** Undefined for a bare server. */
  readonly backend: Backend | undefined;
  /** How many commands a script calls. */
  readonly perScript: number;
  /** The processes of this run, but for the server's. */
  readonly pids: readonly number[];
}

const CONNECTIONS = 50;

/** Milliseconds of load that do not count: after some seconds of rest, a server's first quarter of a second is slow. */
const RUN_UP = 400;

/** What came back to the clients. */
interface Answers {
  /** Milliseconds that each took. */
  readonly times: number[];
  readonly seconds: number;
  /** Answers of 200. */
  readonly fitting: number;
  readonly unexpected: number;
}

/** Each connection is the browsers of its own users: no session has two requests at once. */
async function fire(
  workload: Workload,
  { name, port }: Server,
  visitors: readonly Visitor[],
  ms: number,
): Promise<Answers> {
  const share = visitors.length / CONNECTIONS;
  const times: number[] = [];
  let [opened, others, bytes] = [0, 0, 0];
  const started = performance.now();
  const { errors } = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections: CONNECTIONS,
    duration: ms / 1000,
    // The shortest that it samples; what is counted here does not depend on it.
    sampleInt: 100,
    setupClient: (client) => {
      const own = visitors.slice(opened * share, (opened + 1) * share);
      opened += 1;
      client.setRequests(
        messagesOf(workload, own).map(({ path, cookie }) => {
          const headers = { "X-Forwarded-Proto": "https", ...(cookie !== undefined && { cookie }) };
          return { method: "GET" as const, path, headers };
        }),
      );
      client.on("response", (status, length, time) => {
        times.push(time);
        bytes += length;
        if (status !== 200) others += 1;
      });
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const fitting = times.length - others;
  assert.ok(bytes >= fitting * BODY_LENGTH, `${name}, ${workload}: answers that are too short`);
  return { times, seconds, fitting, unexpected: others + errors };
}

/** Milliseconds of CPU that all programs have used but these. */
function foreignCpu(pids: readonly number[]): number {
  return pids.reduce((rest, pid) => rest - processCpu(pid), machineCpu() ?? NaN);
}

/** Loads one server, whose responses are all stored, for `ms` milliseconds. */
export async function load(
  workload: Workload,
  server: Server,
  visitors: readonly Visitor[],
  ms: number,
  { redis, backend, perScript, pids }: Meter,
): Promise<Finding> {
  const { child } = server;
  const usage = (): Promise<Usage> => ask(child, "usage");
  await fire(workload, server, visitors, RUN_UP);
  const leftBefore = await quotaLeft(server);
  const commandsBefore = await countWhenQuiet(redis, usage);
  const [before, trafficBefore] = [await usage(), await backend?.traffic()];
  const foreignBefore = foreignCpu([...pids, child.pid!]);
  const { times, seconds, fitting, unexpected } = await fire(workload, server, visitors, ms);
  const foreign = foreignCpu([...pids, child.pid!]) - foreignBefore;
  const commandsAfter = await countWhenQuiet(redis, usage);
  const [after, trafficAfter] = [await usage(), await backend?.traffic()];
  const counted = leftBefore === undefined ? fitting : leftBefore - (await quotaLeft(server))!;
  // A window that ended meanwhile gives everything back.
  const uncounted = counted < 0 ? 0 : Math.max(0, fitting - counted);
  // More than were answered: the last ones' clients had left.
  const requests = after.requests - before.requests;
  const called = (commandsAfter.scripts - commandsBefore.scripts) * perScript;
  const passed = (part: "requests" | "received" | "sent"): number =>
    ((trafficAfter?.[part] ?? NaN) - (trafficBefore?.[part] ?? NaN)) / requests;
  return {
    perSecond: fitting / seconds,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    cpu: (after.cpu - before.cpu) / requests,
    sent: (commandsAfter.all - commandsBefore.all - called) / requests,
    called: called / requests,
    bytesTo: passed("received"),
    bytesFrom: passed("sent"),
    http: passed("requests"),
    unexpected: unexpected + uncounted + after.calls - before.calls,
    foreign: Math.max(0, foreign / 1000 / seconds),
  };
}
