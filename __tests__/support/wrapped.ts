/** Connections, and clients, that fail or wait where a test says so. */
import { KitError } from "express-redis-kit";

const COMMANDS = new Set(
  [
    "get set del pexpire pttl smembers sismember scard srem run".split(" "),
    "smembers sadd eval".split(" "),
  ].flat(),
);

type Method = (...args: unknown[]) => Promise<unknown>;

/** Replaces how every command of an object runs. */
function around<T extends object>(
  target: T,
  run: (name: string, args: unknown[], command: () => Promise<unknown>) => Promise<unknown>,
): T {
  return new Proxy(target, {
    get: (object, name) => {
      const value: unknown = Reflect.get(object, name);
      if (typeof value !== "function") return value;
      const method = (value as Method).bind(object);
      if (!COMMANDS.has(String(name))) return method;
      return (...args: unknown[]) => run(String(name), args, () => method(...args));
    },
  });
}

/**
 * How the n-th command ends: the process `dies` after it, its `reply-lost`, or it was `not-sent`.
 * Only after a death does every later command fail too.
 */
export type Fault = "dies" | "reply-lost" | "not-sent";

/** All of them, for `it.each`. */
export const FAULTS: readonly Fault[] = ["dies", "reply-lost", "not-sent"];

function lost(outcome: "notSent" | "maybeExecuted"): KitError {
  return new KitError("REDIS_UNAVAILABLE", {
    message: "The test took the connection away.",
    fix: "None is needed.",
    status: 503,
    retryAfter: 1,
    outcome,
  });
}

/** Fails at the n-th command from now (1 is the first). `hit` tells whether it came to that. */
export function faulty<T extends object>(
  target: T,
  n: number,
  fault: Fault,
): { target: T; hit: () => boolean } {
  let count = 0;
  const wrapped = around(target, async (_name, _args, command) => {
    count += 1;
    if (fault === "dies" && count > n) throw lost("notSent");
    if (count === n && fault === "not-sent") throw lost("notSent");
    const reply = await command();
    if (count >= n && fault === "dies") throw lost("maybeExecuted");
    if (count === n && fault === "reply-lost") throw lost("maybeExecuted");
    return reply;
  });
  return { target: wrapped, hit: () => count >= n };
}

/** Holds commands back before they are sent. */
export interface Gate<T> {
  readonly target: T;
  /** Commands that wait. */
  waiting(): number;
  /** Lets those that wait pass, and all later ones. */
  open(): void;
}

/** @param name a command's name, or a script's */
export function gated<T extends object>(target: T, name: string): Gate<T> {
  const held: (() => void)[] = [];
  let isOpen = false;
  const wrapped = around(target, async (command, args, run) => {
    const script = command === "run" ? (args[0] as { name: string }).name : undefined;
    if (!isOpen && (command === name || script === name)) {
      await new Promise<void>((resolve) => held.push(resolve));
    }
    return run();
  });
  return {
    target: wrapped,
    waiting: () => held.length,
    open: () => {
      isOpen = true;
      for (const release of held.splice(0)) release();
    },
  };
}

/** Counts commands by name; a script counts under its own. */
export function counted<T extends object>(target: T): { target: T; counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const wrapped = around(target, (command, args, run) => {
    const name = command === "run" ? (args[0] as { name: string }).name : command;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return run();
  });
  return { target: wrapped, counts };
}

/** A connection to a Redis that is far away: commands are answered together, in rounds. */
export interface Rounds<T> {
  readonly target: T;
  /** Commands of the rounds so far, those of a round sorted. */
  readonly rounds: readonly string[][];
  /** Answers round after round until `work` is done. */
  until<Result>(work: Promise<Result>): Promise<Result>;
}

/** What was asked for since the last round is answered in the next, and nothing in between. */
export function inRounds<T extends object>(target: T): Rounds<T> {
  const waiting: { name: string; run: () => void }[] = [];
  const rounds: string[][] = [];
  const wrapped = around(target, (command, args, run) => {
    const name = command === "run" ? (args[0] as { name: string }).name : command;
    return new Promise((resolve, reject) => {
      waiting.push({ name, run: () => void run().then(resolve, reject) });
    });
  });
  return {
    target: wrapped,
    rounds,
    until: async (work) => {
      let isDone = false;
      const done = work.finally(() => (isDone = true));
      while (!isDone) {
        // Long enough for all that does not wait for an answer; a later one counts as a round more.
        for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next));
        if (waiting.length === 0) continue;
        rounds.push(waiting.map(({ name }) => name).toSorted());
        for (const { run } of waiting.splice(0)) run();
      }
      return done;
    },
  };
}
