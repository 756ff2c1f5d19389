/** Requests from some connections, as fast as they are answered, and what they cost. */
import { countWhenQuiet } from "../support/commands.ts";
import { machineCpu } from "../support/foreign-load.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { quantile } from "../support/statistics.ts";
import type { Memory, Server } from "./server.ts";
import type { Message, Traffic } from "./traffic.ts";
import { Wire } from "./wire.ts";

/** How a server is loaded. */
export interface Course {
  /** What the progress is told under. */
  readonly label: string;
  readonly connections: number;
  readonly traffic: Traffic;
  /** @param ms since the first request */
  readonly isOver: (answers: number, ms: number) => boolean;
}

/** What one server did under load. */
export interface Finding {
  readonly answers: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  /** Milliseconds. */
  readonly p99: number;
  /** Microseconds of the server's process per request. */
  readonly cpu: number;
  /** Commands that Redis ran per request, those that scripts call included. */
  readonly commands: number;
  /** Of the cache. */
  readonly hits: number;
  /** Answers other than had to come, and requests without any. */
  readonly unexpected: number;
  /** Cores that other programs had meanwhile; NaN where that cannot be known. */
  readonly foreign: number;
  /** While the connections were still open. */
  readonly memory: Memory;
}

/** How often a long run says how far it is, in milliseconds. */
const PROGRESS = 10_000;

/** With so many answers other than had to come, what is measured is something else, or the server is gone. */
const TOO_MANY = 10_000;

/** What came back. */
interface Answers {
  readonly times: number[];
  hits: number;
  unexpected: number;
  /** The first that was not as it had to be. */
  example: string | undefined;
}

function isRight({ status, holds = "" }: Message, got: { status: number; body: string }): boolean {
  return got.status === status && got.body.includes(holds);
}

async function exchange(wire: Wire, message: Message, answers: Answers): Promise<void> {
  if (message.isAbandoned) return wire.abandon(message.text);
  const started = performance.now();
  let problem: string | undefined;
  try {
    const reply = await wire.ask(message.text);
    if (reply.head.includes("; hit")) answers.hits += 1;
    message.onReply?.(reply);
    if (!isRight(message, reply)) problem = `${reply.head}\n${reply.body}`;
  } catch (error) {
    problem = String(error);
  }
  answers.times.push(performance.now() - started);
  if (problem === undefined) return;
  answers.unexpected += 1;
  answers.example ??= `${message.text.split("\r\n", 1)[0]}, ${message.status} expected: ${problem}`;
}

/** Milliseconds of CPU of the server, of Redis and of this process. */
async function ownCpu({ client }: RedisServer, server: Server): Promise<number> {
  const info = await client.info("cpu");
  const of = (field: string): number => Number(new RegExp(`${field}:([\\d.]+)`).exec(info)?.[1]);
  const { user, system } = process.cpuUsage();
  const redis = (of("used_cpu_user") + of("used_cpu_sys")) * 1000;
  return redis + ((await server.usage()).cpu + user + system) / 1000;
}

/** Says on standard error how far a run is. */
export function tell(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${text}\n`);
}

/** Keeps all connections busy until the course is over. */
async function drive(wires: readonly Wire[], course: Course, answers: Answers): Promise<number> {
  const started = performance.now();
  const passed = (): number => performance.now() - started;
  const progress = setInterval(() => {
    const { length } = answers.times;
    const rate = Math.round((length / passed()) * 1000);
    tell(`${course.label}: ${length} answers, ${rate} a second, ${answers.unexpected} unexpected`);
  }, PROGRESS);
  const lane = async (wire: Wire): Promise<void> => {
    while (!course.isOver(answers.times.length, passed()) && answers.unexpected < TOO_MANY) {
      await exchange(wire, course.traffic(), answers);
    }
  };
  await Promise.all(wires.map(lane));
  clearInterval(progress);
  if (answers.unexpected >= TOO_MANY) throw new Error(`${course.label}: ${answers.example}`);
  return passed();
}

/** Loads a server. */
export async function load(server: Server, redis: RedisServer, course: Course): Promise<Finding> {
  const usage = (): Promise<unknown> => server.usage();
  const wires = Array.from({ length: course.connections }, () => new Wire(server.port));
  const answers: Answers = { times: [], hits: 0, unexpected: 0, example: undefined };
  const commandsBefore = await countWhenQuiet(redis, usage);
  const usedBefore = await server.usage();
  const [machineBefore, ownBefore] = [machineCpu(), await ownCpu(redis, server)];
  const ms = await drive(wires, course, answers);
  const machine = (machineCpu() ?? NaN) - (machineBefore ?? NaN);
  const own = (await ownCpu(redis, server)) - ownBefore;
  const commandsAfter = await countWhenQuiet(redis, usage);
  const used = await server.usage();
  const memory = await server.memory();
  for (const wire of wires) wire.close();
  if (answers.example !== undefined) tell(`${course.label}: unexpected: ${answers.example}`);
  const { times, hits, unexpected } = answers;
  const requests = used.requests - usedBefore.requests;
  return {
    answers: times.length,
    seconds: ms / 1000,
    perSecond: (times.length / ms) * 1000,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    cpu: (used.cpu - usedBefore.cpu) / requests,
    commands: (commandsAfter.all - commandsBefore.all) / requests,
    hits,
    unexpected,
    foreign: Math.max(0, (machine - own) / ms),
    memory,
  };
}
