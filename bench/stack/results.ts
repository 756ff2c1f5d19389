/** Tables and goals of what the rounds found. */
import { cell, type Report, type Table } from "../support/report.ts";
import { NEAREST } from "../support/round-trips.ts";
import { median, worst } from "../support/statistics.ts";
import { goalsOf, type StackGoal } from "./goals.ts";
import type { Finding } from "./load.ts";
import {
  fasterBare,
  fasterPeer,
  middle,
  type Outcome,
  type Outcomes,
  rateOf,
  ratios,
  type Results,
} from "./outcomes.ts";
import type { Workload } from "./workloads.ts";

/** Percent of a core that other programs may use. */
const TOLERATED = 8;
/** The share of measurements in which they may use more. */
const FEW = 0.2;

const DESCRIPTIONS: Readonly<Record<Workload, string>> = {
  "signed-in": "Signed-in GET through limiter, session, guard and cache",
  anonymous: "GET without a cookie, through limiter, session and cache",
  rest: "Signed-in GET, Redis behind Upstash's REST API",
};

function print(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits);
}

function share(outcome: Outcome, base: Outcome): string {
  return median(ratios(outcome, base)).toFixed(2);
}

/** The lowest and the highest req/s: where these of a bare server are far apart, the machine was not quiet. */
function spread({ rounds }: Outcome): string {
  const rates = rounds.map(({ perSecond }) => Math.round(perSecond));
  return `${cell(Math.min(...rates))}–${cell(Math.max(...rates))}`;
}

function speedTable(workload: Workload, outcomes: Outcomes): Table {
  const [bare, peer] = [fasterBare(outcomes)?.[1], fasterPeer(outcomes)?.[1]];
  const rows = [...outcomes].map(([server, outcome]) => {
    const of = (figure: (finding: Finding) => number, digits: number): string =>
      print(middle(outcome, figure), digits);
    return {
      server,
      "req/s": Math.round(rateOf(outcome)),
      "of the rounds": spread(outcome),
      ...(bare && { "of bare": share(outcome, bare) }),
      ...(peer && { "of faster peer": share(outcome, peer) }),
      "p50 ms": of(({ p50 }) => p50, 1),
      "p99 ms": of(({ p99 }) => p99, 1),
      "CPU µs/req": of(({ cpu }) => cpu, 0),
      "other answers": outcome.rounds.reduce((sum, { unexpected }) => sum + unexpected, 0),
    };
  });
  const count = [...outcomes.values()][0]?.rounds.length ?? 0;
  return { title: `${DESCRIPTIONS[workload]}; medians of ${count} rounds`, rows };
}

function wayTable(workload: Workload, outcomes: Outcomes): Table {
  const rows = [...outcomes].flatMap(([server, outcome]) => {
    if (outcome.alone === undefined) return [];
    const { waits, http: requests } = outcome.alone;
    const of = (figure: (finding: Finding) => number, digits: number): string =>
      print(middle(outcome, figure), digits);
    return {
      server,
      "round trips": waits.roundTrips.toFixed(2),
      [`p50 ms at ${NEAREST} ms to Redis`]: waits.p50.toFixed(1),
      "a PING's": waits.ping.toFixed(1),
      ...(workload === "rest" && {
        "HTTP requests/req": requests.toFixed(2),
        "under load": of(({ http }) => http, 2),
      }),
      "commands/req": of(({ sent }) => sent, 2),
      "called by scripts/req": of(({ called }) => called, 2),
      "bytes to/req": of(({ bytesTo }) => bytesTo, 0),
      "bytes from/req": of(({ bytesFrom }) => bytesFrom, 0),
    };
  });
  return { title: `${DESCRIPTIONS[workload]}: what waits for Redis, and what passes`, rows };
}

/** How busy the machine was with something else. */
function disturbanceOf(results: Results): string {
  const shares = [...results.values()].flatMap((outcomes) =>
    [...outcomes.values()].flatMap(({ rounds }) => rounds.map(({ foreign }) => foreign * 100)),
  );
  const [usual, most] = [median(shares), worst(shares)];
  if (Number.isNaN(usual)) return "What other programs used meanwhile is not known.";
  const disturbed = shares.filter((one) => one > TOLERATED).length;
  const verdict =
    disturbed > shares.length * FEW
      ? " Too often: run it again on a machine that does nothing else."
      : "";
  return `Other programs used ${usual.toFixed(0)} % of a core in the median, ${most.toFixed(0)} % at most, and more than ${TOLERATED} % in ${disturbed} of ${shares.length} measurements.${verdict}`;
}

/** What {@link reportOf} makes. */
export interface StackReport extends Report {
  readonly goals: readonly StackGoal[];
  readonly disturbance: string;
}

/** Makes the report. */
export function reportOf(results: Results): StackReport {
  return {
    tables: [...results].flatMap(([workload, outcomes]) =>
      [speedTable(workload, outcomes), wayTable(workload, outcomes)].filter(
        ({ rows }) => rows.length > 0,
      ),
    ),
    goals: goalsOf(results),
    disturbance: disturbanceOf(results),
    data: Object.fromEntries(
      [...results].map(([workload, outcomes]) => [workload, Object.fromEntries(outcomes)]),
    ),
  };
}
