/** Requests from 50 connections to one server, and what they cost it. */
import type { ChildProcess } from "node:child_process";
import autocannon from "autocannon";
import { ask } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";

/** What one server did under load. */
export interface Finding {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p99: number;
  /** Microseconds of the server's process per request. */
  readonly cpu: number;
  /** Commands that reached Redis per request, those inside of scripts not counted. */
  readonly commands: number;
  /** Answers that were not of the expected status. */
  readonly unexpected: number;
}

/** Commands that a client sends; the rest of the statistics is what scripts call. */
const SENT = /^cmdstat_(evalsha|eval|multi|exec|script\|load):calls=(\d+)/gm;

async function sentCommands({ client }: RedisServer): Promise<number> {
  const info = await client.info("commandstats");
  return [...info.matchAll(SENT)].reduce((sum, [, , calls]) => sum + Number(calls), 0);
}

/** Loads one server for `ms` milliseconds. */
export async function load(
  child: ChildProcess,
  port: number,
  expected: number,
  ms: number,
  redis: RedisServer,
): Promise<Finding> {
  const [cpuBefore, sentBefore] = [await ask<number>(child, "cpu"), await sentCommands(redis)];
  const started = performance.now();
  const { latency, statusCodeStats } = await autocannon({
    url: `http://127.0.0.1:${port}/`,
    connections: 50,
    duration: ms / 1000,
    // The shortest that it samples; what is counted here does not depend on it.
    sampleInt: 100,
  });
  const took = (performance.now() - started) / 1000;
  const counts = Object.entries(statusCodeStats ?? {}) as [string, { count?: number }][];
  const total = counts.reduce((sum, [, { count = 0 }]) => sum + count, 0);
  const fitting = statusCodeStats?.[`${expected}`]?.count ?? 0;
  return {
    perSecond: total / took,
    p99: latency.p99,
    cpu: ((await ask<number>(child, "cpu")) - cpuBefore) / total,
    commands: ((await sentCommands(redis)) - sentBefore) / total,
    unexpected: total - fitting,
  };
}
