/** Runs rounds of random interleavings of all that sessions can go through, and judges each by the guard's invariants. */
import type { Connection } from "../../src/connection/port.ts";
import { type Room } from "./guard-oracle.ts";
import type { Invariant, Violation } from "./guard-look.ts";
import type { Mutate } from "./guard-mutants.ts";
import type { Place } from "./guard-places.ts";
import { type Places, playRound } from "./guard-round.ts";
import { Sampler } from "./guard-sampler.ts";
import { around } from "./guard-schedule.ts";

/** What {@link runRounds} is told. */
export interface RoundsOptions {
  readonly rounds: number;
  /** With the round's number it determines the round: its requests, their order, its crashes. */
  readonly seed: number;
  /** The number of the first round. Default: 0. */
  readonly first?: number;
  readonly room?: Room;
  /** A mistake in every process's connection. Default: none. */
  readonly mutate?: Mutate;
  /** Stops after the round in which this one was broken. Default: goes on to the end. */
  readonly until?: Invariant | "any";
}

/** A violation, and how to see it again. */
export interface Found extends Violation {
  readonly seed: number;
  readonly round: number;
  /** What was done in the round. */
  readonly story: readonly string[];
}

/** What rounds came to. */
export interface Report {
  rounds: number;
  /** Requests that were answered, or whose process died. */
  requests: number;
  /** Sign-ins that succeeded. */
  logins: number;
  /** Sign-ins that were refused with SESSION_LIMIT. */
  refusals: number;
  crashes: number;
  /** Commands, or answers to them, that were lost. */
  losses: number;
  /** Commands after which the world was looked at. */
  steps: number;
  /** Looks of the sampler, which does not pause. */
  samples: number;
  /** The most valid sessions of one user at any instant. */
  most: number;
  /** Logins beside stale members. */
  staleLogins: number;
  /** Reads without a Set. */
  setlessReads: number;
  /** Keys whose time to live was asked for. */
  keys: number;
  /** The most slots of a Cluster that keys were in. */
  slots: number;
  readonly violations: Found[];
}

/** How often all keys are looked at, in rounds. */
const SWEEP = 10;

/** How many connections take part. */
const CONNECTIONS = 4;

const ONE: Room = { concurrent: 1, whenFull: "end-oldest" };

function emptyReport(): Report {
  const counts = { rounds: 0, requests: 0, logins: 0, refusals: 0, crashes: 0, losses: 0 };
  const looks = { steps: 0, samples: 0, most: 0, staleLogins: 0, setlessReads: 0 };
  return { ...counts, ...looks, keys: 0, slots: 0, violations: [] };
}

/** In memory each command is an instant of its own, and is looked at as soon as it has run. */
function lookedAt(real: Connection, sampler: Sampler): Connection {
  return around(real, (command) => {
    const running = command();
    sampler.lookNow();
    return running;
  });
}

/** Runs them, one after the other. */
export async function runRounds(place: Place, options: RoundsOptions): Promise<Report> {
  const report = emptyReport();
  const { rounds, seed, first = 0, room = ONE } = options;
  const sampler = new Sampler(place);
  const opened = Array.from({ length: CONNECTIONS + 1 }, () => place.open());
  const isMemory = place.kind === "memory";
  const [hand, ...lanes] = isMemory ? opened.map((real) => lookedAt(real, sampler)) : opened;
  const places: Places = { place, hand: hand!, lanes, sampler, mutate: options.mutate };
  const sweep = async (round: number): Promise<void> => {
    const { count, slots, unending } = await place.sweep();
    report.keys += count;
    report.slots = Math.max(report.slots, slots.size);
    for (const key of unending)
      report.violations.push({
        invariant: "I7",
        what: `${key} has no end`,
        seed,
        round,
        story: [],
      });
  };
  try {
    await Promise.all(opened.map((connection) => connection.ready()));
    sampler.start();
    for (let round = first; round < first + rounds; round++) {
      const before = report.violations.length;
      await playRound(places, { seed, round, room }, report);
      report.rounds += 1;
      if ((round - first) % SWEEP === SWEEP - 1 || round === first + rounds - 1) await sweep(round);
      const found = report.violations.slice(before).map(({ invariant }) => invariant);
      const { until } = options;
      if (until !== undefined && (until === "any" ? found.length > 0 : found.includes(until)))
        break;
    }
  } finally {
    await sampler.stop();
    if (!isMemory) await Promise.all(opened.map((connection) => connection.close()));
  }
  return report;
}

/** A report's violations, as a failed test shows them. */
export function told({ violations }: Report, ...invariants: readonly Invariant[]): string[] {
  return violations
    .filter(({ invariant }) => invariants.length === 0 || invariants.includes(invariant))
    .slice(0, 3)
    .map(({ invariant, what, seed, round, story }) =>
      [`${invariant}, seed ${seed}, round ${round}: ${what}`, ...story].join("\n  "),
    );
}
