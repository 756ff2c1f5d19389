/** A process that stands still with answers already there: counts what its clients call timed out. */
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { defineScript } from "../../src/connection/script.ts";
import { counterScript } from "../support/counter-script.ts";
import { openPort } from "../support/port.ts";
import { DEADLINE } from "./scenario.ts";

/** What is asked of the process. */
export interface Standstill {
  /** `stopped`: from outside, under steady load. Otherwise the process blocks its own event loop after sending. */
  readonly kind: "same tick" | "next tick" | "after a pause" | "stopped";
}

/** Failures, and commands, by client. */
export type Count = Readonly<Record<string, { failed: number; sent: number }>>;

const BLOCK = 300;
const BURST = 50;
const PAUSE = 100;

/** Takes the server some milliseconds, as a network does, so that no answer comes at once. */
const slowScript = defineScript<number>({
  name: "slow",
  lua: "local x = 0 for i = 1, 300000 do x = x + i end return 1",
  run: () => 1,
  parse: Number,
});

const port = Number(process.argv[2]);
const kit = openPort({ redis: `redis://127.0.0.1:${port}` });
const ioredis = new Redis({ host: "127.0.0.1", port, commandTimeout: DEADLINE });
await Promise.all([kit.ready(), ioredis.ping()]);

interface Sender {
  /** Counts. */
  quick(this: void): Promise<unknown>;
  /** Runs the slow script. */
  slow(this: void): Promise<unknown>;
}

const CLIENTS: Readonly<Record<string, Sender>> = {
  kit: {
    quick: () => kit.run(counterScript, "kit", [1]),
    slow: () => kit.run(slowScript, "slow", []),
  },
  "ioredis, commandTimeout": {
    quick: () => ioredis.incr("ioredis"),
    slow: () => ioredis.eval(slowScript.lua, 0),
  },
};

function block(): void {
  const end = performance.now() + BLOCK;
  while (performance.now() < end);
}

async function countFailures(send: () => Promise<unknown>, sent: number) {
  const outcomes = await Promise.allSettled(Array.from({ length: sent }, send));
  return { sent, failed: outcomes.filter(({ status }) => status === "rejected").length };
}

/** One client at a time, so that none waits for another's answers. */
async function standStill({ kind }: Standstill): Promise<Count> {
  const count: Record<string, { failed: number; sent: number }> = {};
  for (const [name, { quick, slow }] of Object.entries(CLIENTS)) {
    const isPaused = kind === "after a pause";
    await (isPaused ? slow() : quick()); // The server knows the script, and the connection is in use.
    if (isPaused) await delay(PAUSE);
    const counting = isPaused ? countFailures(slow, 1) : countFailures(quick, BURST);
    if (kind !== "same tick") await nextTurn();
    block();
    count[name] = await counting;
  }
  return count;
}

/** Sends all the time, until the next message; a stop from outside finds commands under way. */
async function keepSending(): Promise<Count> {
  let isOver = false;
  process.once("message", () => (isOver = true));
  const count: Record<string, { failed: number; sent: number }> = {};
  const loop = async ([name, { quick }]: [string, Sender]): Promise<void> => {
    const own = (count[name] = { failed: 0, sent: 0 });
    while (!isOver) {
      const found = await countFailures(quick, 5);
      own.failed += found.failed;
      own.sent += found.sent;
    }
  };
  await Promise.all(Object.entries(CLIENTS).map(loop));
  return count;
}

process.on("message", (message) => {
  const { kind } = message as Partial<Standstill>;
  if (kind === undefined) return; // Ends keepSending().
  const work = kind === "stopped" ? keepSending() : standStill({ kind });
  work.then(
    (count) => process.send?.(count),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.send?.("ready");
