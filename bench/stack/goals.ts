/** What the kit must reach, and what is hoped for. */
import type { Goal } from "../support/report.ts";
import { NEAREST } from "../support/round-trips.ts";
import { median } from "../support/statistics.ts";
import {
  fasterBare,
  fasterPeer,
  type Outcome,
  type Outcomes,
  ratios,
  type Results,
} from "./outcomes.ts";
import { KIT, KIT_IN_MEMORY, KIT_OVER_REST } from "./servers.ts";

/** A goal, and whether the run fails without it. */
export interface StackGoal extends Goal {
  readonly isMust: boolean;
}

/** Sequential round trips; a PING's own differ by a few hundredths. */
const ROUND_TRIPS = 1.1;
/** Milliseconds. */
const FAR_P50 = 14;
/** Of the faster peer's req/s, and of the faster bare server's. */
const OF_PEER = { must: 1.6, goal: 2 };
const OF_BARE = { must: 0.55, goal: 0.65 };
const OF_BARE_IN_MEMORY = 0.85;

function atMost(text: string, value: number, bound: number): StackGoal {
  return {
    text: `must: ${text} at most ${bound} (${value.toFixed(2)})`,
    met: value <= bound,
    isMust: true,
  };
}

function atLeast(text: string, values: number[], bound: number, isMust: boolean): StackGoal {
  const value = median(values);
  const [lowest, highest] = [Math.min(...values), Math.max(...values)].map((end) => end.toFixed(2));
  return {
    text: `${isMust ? "must" : "goal"}: ${text} at least ${bound} (${value.toFixed(2)}; rounds from ${lowest} to ${highest})`,
    met: value >= bound,
    isMust,
  };
}

function signedIn(outcomes: Outcomes): StackGoal[] {
  const goals: StackGoal[] = [];
  const kit = outcomes.get(KIT);
  if (kit === undefined) return goals;
  if (kit.alone) {
    const { roundTrips, p50 } = kit.alone.waits;
    goals.push(
      atMost(`${KIT}, signed-in: round trips`, roundTrips, ROUND_TRIPS),
      atMost(`${KIT}, signed-in: p50 in ms at ${NEAREST} ms to Redis`, p50, FAR_P50),
    );
  }
  const compare = (
    other: [name: string, outcome: Outcome] | undefined,
    bounds: { must: number; goal: number },
  ): void => {
    if (other === undefined) return;
    const [text, values] = [`${KIT}, signed-in: req/s over "${other[0]}"`, ratios(kit, other[1])];
    goals.push(atLeast(text, values, bounds.must, true), atLeast(text, values, bounds.goal, false));
  };
  compare(fasterPeer(outcomes), OF_PEER);
  compare(fasterBare(outcomes), OF_BARE);
  return goals;
}

function anonymous(outcomes: Outcomes): StackGoal[] {
  const [kit, bare] = [outcomes.get(KIT_IN_MEMORY), fasterBare(outcomes)];
  if (kit === undefined || bare === undefined) return [];
  const text = `${KIT_IN_MEMORY}, anonymous: req/s over "${bare[0]}"`;
  return [atLeast(text, ratios(kit, bare[1]), OF_BARE_IN_MEMORY, false)];
}

function rest(outcomes: Outcomes): StackGoal[] {
  const alone = outcomes.get(KIT_OVER_REST)?.alone;
  if (alone === undefined) return [];
  return [atMost(`${KIT_OVER_REST}: HTTP requests per request`, alone.http, 1)];
}

/** All goals of the workloads that were measured. */
export function goalsOf(results: Results): StackGoal[] {
  const failing = [...results.values()]
    .flatMap((outcomes) => [...outcomes])
    .filter(([, { rounds }]) =>
      rounds.some(({ perSecond, unexpected }) => perSecond === 0 || unexpected > 0),
    )
    .map(([name]) => name);
  return [
    {
      text: `must: every answer is a hit, counted by the limiter (${failing.join(", ") || "no server failed"})`,
      met: failing.length === 0,
      isMust: true,
    },
    ...signedIn(results.get("signed-in") ?? new Map()),
    ...anonymous(results.get("anonymous") ?? new Map()),
    ...rest(results.get("rest") ?? new Map()),
  ];
}
