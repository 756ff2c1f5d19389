/** Requests from 50 connections to one server, all of them hits, and what they cost it. */
import { strict as assert } from "node:assert";
import type { ChildProcess } from "node:child_process";
import autocannon from "autocannon";
import { countWhenQuiet } from "../support/commands.ts";
import { ask } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { quantile } from "../support/statistics.ts";
import { IDS, type Workload } from "./routes.ts";
import type { Usage } from "../support/measured-server.ts";

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
  /** Answers other than 200, and requests without any. */
  readonly unexpected: number;
}

/** A server under measurement. */
export interface Server {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
}

const CONNECTIONS = 50;

/** Loads one server, whose responses are all stored, for `ms` milliseconds. */
export async function load(
  workload: Workload,
  { name, child, port }: Server,
  ms: number,
  redis: RedisServer,
): Promise<Finding> {
  const usage = (): Promise<Usage> => ask(child, "usage");
  const commandsBefore = await countWhenQuiet(redis, usage);
  const before = await usage();
  const times: number[] = [];
  let others = 0;
  const started = performance.now();
  const { errors } = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections: CONNECTIONS,
    duration: ms / 1000,
    // The shortest that it samples; what is counted here does not depend on it.
    sampleInt: 100,
    requests: IDS.map((id) => ({ path: `/${workload}/${id}` })),
    setupClient: (client) => {
      client.on("response", (status, _bytes, time) => {
        times.push(time);
        if (status !== 200) others += 1;
      });
    },
  });
  const seconds = (performance.now() - started) / 1000;
  const after = await usage();
  assert.equal(after.calls, before.calls, `${name}, ${workload}: not all were hits`);
  const commandsAfter = await countWhenQuiet(redis, usage);
  // More than were answered: the last ones' clients had left.
  const requests = after.requests - before.requests;
  return {
    perSecond: (times.length - others) / seconds,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    cpu: (after.cpu - before.cpu) / requests,
    sent: (commandsAfter.all - commandsBefore.all) / requests,
    unexpected: others + errors,
  };
}
