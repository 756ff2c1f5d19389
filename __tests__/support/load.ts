/** A load of counted commands, whose every command is accounted for afterwards, by the server's own count. */
import type { KitError } from "express-redis-kit";
import type { Redis } from "ioredis";
import { setTimeout as delay } from "node:timers/promises";
import type { Connection } from "../../src/connection/port.ts";
import { defineScript } from "../../src/connection/script.ts";
import { until } from "./redis-server.ts";

/** Counts in a hash how often each id ran; answers the id and that number. */
const countId = defineScript<{ id: string; runs: number }>({
  name: "count-id",
  lua: `local runs = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {ARGV[1], runs}`,
  run: () => {
    throw new Error("For real servers only.");
  },
  parse: (raw) => {
    const [id, runs] = raw as [string, number];
    return { id, runs };
  },
});

const TTL = 3_600_000;

/** What became of a command: answered as it must be, answered otherwise, or the error's `outcome`. */
type Fate = "answered" | "wrong" | "notSent" | "maybeExecuted" | "unexplained";

/** Where hashes are read. */
type Hashes = Pick<Redis, "hgetall">;

/** A load that goes on until it is stopped. */
export interface Load {
  /** Commands so far, by what became of them. */
  count(fate: Fate): number;
  /** Distinct codes of the failures so far. */
  codes(): string[];
  /** Waits until so many more than now were answered on every key. */
  answered(more: number): Promise<void>;
  /** Waits until so many more than now have failed. */
  failed(more: number): Promise<void>;
  /** Commands that wait for an answer. */
  inFlight(): number;
  /** Starts no more commands, and waits until all have settled. */
  pause(): Promise<void>;
  resume(): void;
  /** Pauses for good, and answers what does not agree with what the servers counted. */
  audit(clientOf: (key: string) => Promise<Hashes> | Hashes): Promise<string[]>;
}

/** What {@link startLoad} can be told. */
export interface LoadOptions {
  /** Default: one, `load`. */
  keys?: readonly string[];
  /** Commands in flight on each key. Default: 4. */
  width?: number;
}

const ALLOWED: Record<Fate, readonly number[]> = {
  answered: [1],
  wrong: [],
  notSent: [0],
  maybeExecuted: [0, 1],
  unexplained: [],
};

/** Starts one. Every id is sent once, so that whatever ran twice is seen. */
export function startLoad(
  connection: Connection,
  { keys = ["load"], width = 4 }: LoadOptions = {},
): Load {
  const ledger = new Map<string, { key: string; fate: Fate }>();
  const codes = new Set<string>();
  const perKey = new Map(keys.map((key) => [key, 0]));
  const counts = new Map<Fate, number>();
  const count = (fate: Fate): number => counts.get(fate) ?? 0;
  const failures = (): number =>
    count("notSent") + count("maybeExecuted") + count("unexplained") + count("wrong");
  let [next, inFlight, isRunning, isOver] = [0, 0, true, false];

  const one = async (key: string): Promise<Fate> => {
    const id = String(next++);
    inFlight += 1;
    let fate: Fate;
    try {
      const reply = await connection.run(countId, key, [id, TTL]);
      fate = reply.id === id && reply.runs === 1 ? "answered" : "wrong";
    } catch (error) {
      const { name, code, outcome } = error as KitError;
      codes.add(code);
      fate = (name as string) === "KitError" ? (outcome ?? "unexplained") : "unexplained";
    }
    inFlight -= 1;
    ledger.set(id, { key, fate });
    counts.set(fate, count(fate) + 1);
    if (fate === "answered") perKey.set(key, perKey.get(key)! + 1);
    return fate;
  };
  const work = async (key: string): Promise<void> => {
    while (!isOver) {
      if (!isRunning) await delay(1);
      // Failures that cost nothing must not starve the event loop.
      else if ((await one(key)) !== "answered") await delay(2);
    }
  };
  const workers = keys.flatMap((key) => Array.from({ length: width }, () => work(key)));
  const pause = async (): Promise<void> => {
    isRunning = false;
    await until(() => inFlight === 0, "every command has settled");
  };
  return {
    count,
    codes: () => [...codes].toSorted(),
    inFlight: () => inFlight,
    answered: async (more) => {
      const wanted = new Map([...perKey].map(([key, n]) => [key, n + more]));
      await until(
        () => [...wanted].every(([key, n]) => perKey.get(key)! >= n),
        `${more} more are answered on each key`,
        15_000,
      );
    },
    failed: async (more) => {
      const wanted = failures() + more;
      await until(() => failures() >= wanted, `${more} more have failed`);
    },
    pause,
    resume: () => void (isRunning = true),
    audit: async (clientOf) => {
      await pause();
      isOver = true;
      await Promise.all(workers);
      const ran = new Map<string, number>();
      for (const key of keys) {
        const hash = await (await clientOf(key)).hgetall(key);
        for (const [id, runs] of Object.entries(hash)) ran.set(id, Number(runs));
      }
      const complaints = [...ledger].map(([id, { fate, key }]) => {
        const runs = ran.get(id) ?? 0;
        ran.delete(id);
        return ALLOWED[fate].includes(runs) ? undefined : `${key} ${id}: ${fate}, ran ${runs}`;
      });
      return [
        ...complaints.filter((complaint) => complaint !== undefined),
        ...[...ran.keys()].map((id) => `${id}: ran, but was never sent`),
      ];
    },
  };
}
