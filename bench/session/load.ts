/** Requests from 50 connections to one server, and what they cost it. */
import { strict as assert } from "node:assert";
import type { ChildProcess } from "node:child_process";
import autocannon from "autocannon";
import { countWhenQuiet } from "../support/commands.ts";
import { ask } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { quantile } from "../support/statistics.ts";
import type { Usage } from "../support/measured-server.ts";
import { traces } from "./verify.ts";
import { messageOf, type Visitor, type Workload } from "./workloads.ts";

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
  /** Answers other than 200, and requests without any. */
  readonly unexpected: number;
}

/** A server under measurement. */
export interface Server {
  readonly name: string;
  readonly child: ChildProcess;
  readonly port: number;
  readonly visitors: readonly Visitor[];
}

const CONNECTIONS = 50;

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
async function fire(workload: Workload, server: Server, ms: number): Promise<Answers> {
  const { port, visitors } = server;
  const share = visitors.length / CONNECTIONS;
  const times: number[] = [];
  let [opened, others] = [0, 0];
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
        own.map((visitor) => {
          const { method = "GET", path, cookie } = messageOf(workload, visitor);
          const headers = { "X-Forwarded-Proto": "https", ...(cookie !== undefined && { cookie }) };
          return { method, path, headers };
        }),
      );
      client.on("response", (status, _bytes, time) => {
        times.push(time);
        if (status !== 200) others += 1;
      });
    },
  });
  const seconds = (performance.now() - started) / 1000;
  return { times, seconds, fitting: times.length - others, unexpected: others + errors };
}

/**
 * Loads one server for `ms` milliseconds.
 *
 * @param perScript how many commands a script of this workload calls
 */
export async function load(
  workload: Workload,
  server: Server,
  ms: number,
  redis: RedisServer,
  perScript: number,
): Promise<Finding> {
  const { name, child, visitors } = server;
  const usage = (): Promise<Usage> => ask(child, "usage");
  const commandsBefore = await countWhenQuiet(redis, usage, ["mget"]);
  const tracesBefore = await traces(workload, name, visitors, redis);
  const before = await usage();
  const { times, seconds, fitting, unexpected } = await fire(workload, server, ms);
  const commandsAfter = await countWhenQuiet(redis, usage, ["mget"]);
  const after = await usage();
  if (tracesBefore !== undefined) {
    const grown = (await traces(workload, name, visitors, redis))! - tracesBefore;
    assert.ok(grown >= fitting, `${name}, ${workload}: ${fitting} answers, ${grown} in Redis`);
  }
  // More than were answered: the last ones' clients had left.
  const requests = after.requests - before.requests;
  const called = (commandsAfter.scripts - commandsBefore.scripts) * perScript;
  return {
    perSecond: fitting / seconds,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    cpu: (after.cpu - before.cpu) / requests,
    sent: (commandsAfter.all - commandsBefore.all - called) / requests,
    called: called / requests,
    unexpected,
  };
}
