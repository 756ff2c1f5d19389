/** What was found out about each server, and how they compare. */
import { median } from "../support/statistics.ts";
import type { Finding } from "./load.ts";
import type { Alone } from "./stage.ts";
import { isBare, isKit } from "./servers.ts";
import type { Workload } from "./workloads.ts";

/** What was found out about one server in one workload. */
export interface Outcome {
  readonly rounds: readonly Finding[];
  /** Undefined for a bare server. */
  readonly alone: Alone | undefined;
}

/** Outcomes by server. */
export type Outcomes = ReadonlyMap<string, Outcome>;

/** All outcomes, by workload. */
export type Results = ReadonlyMap<Workload, Outcomes>;

/** The median of one figure. */
export function middle({ rounds }: Outcome, figure: (finding: Finding) => number): number {
  return median(rounds.map(figure));
}

/** The median of req/s. */
export function rateOf(outcome: Outcome): number {
  return middle(outcome, ({ perSecond }) => perSecond);
}

function fastest(
  outcomes: Outcomes,
  isMeant: (name: string) => boolean,
): [name: string, outcome: Outcome] | undefined {
  const meant = [...outcomes].filter(([name]) => isMeant(name));
  return meant.toSorted(([, a], [, b]) => rateOf(b) - rateOf(a))[0];
}

/** The bare server that answers most. */
export function fasterBare(outcomes: Outcomes): [name: string, outcome: Outcome] | undefined {
  return fastest(outcomes, isBare);
}

/** The stack by hand that answers most. */
export function fasterPeer(outcomes: Outcomes): [name: string, outcome: Outcome] | undefined {
  return fastest(outcomes, (name) => !isBare(name) && !isKit(name));
}

/** Ratios of req/s, each within a round. */
export function ratios({ rounds }: Outcome, base: Outcome): number[] {
  return rounds.map(({ perSecond }, round) => perSecond / base.rounds[round]!.perSecond);
}
