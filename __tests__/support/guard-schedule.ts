/** Decides, from a seed alone, which command of which process runs next, and which process dies at which command. */
import { KitError } from "express-redis-kit";
import type { Connection } from "../../src/connection/port.ts";

/** Numbers that a seed determines (mulberry32). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  is(probability: number): boolean {
    return this.next() < probability;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }
}

interface Waiting {
  readonly isSlow: boolean;
  readonly run: () => Promise<void>;
}

/** Turns of the event loop without a command, beyond which a round counts as stuck. */
const MOST_IDLE = 2000;

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Lets one waiting command run at a time, or all that wait at once. Between two steps no command is
 * under way, so the world stands still. `now` counts the steps: it is the time that all is judged by.
 */
export class Schedule {
  readonly #chance: Chance;
  readonly #waiting: Waiting[] = [];
  /** How often all that waits runs at once. */
  readonly #together: number;
  now = 0;

  constructor(chance: Chance, together: number) {
    this.#chance = chance;
    this.#together = together;
  }

  add(isSlow: boolean, run: () => Promise<void>): void {
    this.#waiting.push({ isSlow, run });
  }

  #take(): Waiting[] {
    if (this.#chance.is(this.#together)) return this.#waiting.splice(0);
    let place = this.#chance.below(this.#waiting.length);
    // What is slow waits longer, but not for ever.
    if (this.#waiting[place]!.isSlow) place = this.#chance.below(this.#waiting.length);
    return this.#waiting.splice(place, 1);
  }

  /** Runs until nothing waits and `isOver`; `afterStep` sees the world stand still. */
  async run(isOver: () => boolean, afterStep: () => Promise<void>): Promise<void> {
    for (let idle = 0; idle < MOST_IDLE; idle++) {
      await turn();
      if (this.#waiting.length === 0) {
        if (isOver() && idle > 2) return;
        continue;
      }
      idle = 0;
      this.now += 1;
      await Promise.all(this.#take().map(({ run }) => run()));
      await afterStep();
    }
    throw new Error("A request neither ends nor asks for anything.");
  }
}

/** How the chosen command of a process ends: the process dies before it leaves, or before its answer comes; or only the command, or its answer, is lost. */
export type Fate = "dies-before" | "dies-after" | "not-sent" | "reply-lost";

/** Replaces how every command of a connection runs. */
export function around(
  real: Connection,
  step: <T>(command: () => Promise<T>) => Promise<T>,
): Connection {
  return {
    ...real,
    get: (key) => step(() => real.get(key)),
    set: (key, value, how) => step(() => real.set(key, value, how)),
    del: (key) => step(() => real.del(key)),
    pexpire: (key, ttl) => step(() => real.pexpire(key, ttl)),
    pttl: (key) => step(() => real.pttl(key)),
    smembers: (key) => step(() => real.smembers(key)),
    sismember: (key, member) => step(() => real.sismember(key, member)),
    scard: (key) => step(() => real.scard(key)),
    srem: (key, member) => step(() => real.srem(key, member)),
    run: (script, key, args) => step(() => real.run(script, key, args)),
  };
}

function lost(outcome: "notSent" | "maybeExecuted"): KitError {
  return new KitError("REDIS_UNAVAILABLE", {
    message: "The connection was lost.",
    fix: "None is needed.",
    status: 503,
    retryAfter: 1,
    outcome,
  });
}

/** What becomes of one process: at its n-th command, counted from 0. */
export interface Doom {
  readonly at: number;
  readonly fate: Fate;
}

/** A process's life. Once it is dead nothing of it goes on: its commands never leave, its promises never settle. */
export interface Life {
  readonly connection: Connection;
  isDead(): boolean;
  /** Commands that came to their turn. */
  count(): number;
  /** Resolves at its death. */
  readonly death: Promise<void>;
}

/** A process whose every command waits for its turn, and so, at times, does the answer. */
export function liveBy(
  schedule: Schedule,
  chance: Chance,
  real: Connection,
  { isSlow, doom }: { isSlow: boolean; doom: Doom | undefined },
): Life {
  let count = 0;
  let isDead = false;
  let die = (): void => {};
  const death = new Promise<void>((resolve) => {
    die = () => {
      isDead = true;
      resolve();
    };
  });
  const step = <T>(command: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      schedule.add(isSlow, async () => {
        if (isDead) return;
        const fate = doom?.at === count++ ? doom.fate : undefined;
        if (fate === "dies-before") return die();
        if (fate === "not-sent") return reject(lost("notSent"));
        let settle: () => void;
        try {
          const answer = await command();
          settle = () => resolve(answer);
        } catch (error) {
          settle = () => reject(error);
        }
        if (fate === "dies-after") return die();
        if (fate === "reply-lost") settle = () => reject(lost("maybeExecuted"));
        if (chance.is(0.3)) schedule.add(isSlow, async () => (isDead ? undefined : settle()));
        else if (!isDead) settle();
      });
    });
  return { connection: around(real, step), isDead: () => isDead, count: () => count, death };
}
