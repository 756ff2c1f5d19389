/** Tables and goals of what the rounds found. */
import type { Goal, Report, Table } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import type { Finding } from "./load.ts";
import { BARE, KIT } from "./servers.ts";
import type { Workload } from "./workloads.ts";

/** What was found out about one server in one workload. */
export interface Outcome {
  readonly rounds: readonly Finding[];
  /** NaN for a server without Redis. */
  readonly roundTrips: number;
  /** What a user's second login does to the session of the first. */
  readonly earlierSession: string;
}

/** Outcomes by server. */
export type Outcomes = ReadonlyMap<string, Outcome>;

/** All outcomes, by workload. */
export type Results = ReadonlyMap<Workload, Outcomes>;

/** What is asked, and what the kit does of it that the peers, which have no guard, do not. */
const DESCRIPTIONS: Readonly<Record<Workload, string>> = {
  read: "signed-in GET (the kit also asks whether this still is the user's session)",
  write:
    "signed-in POST that changes a key (as read; the kit also keeps what others wrote meanwhile)",
  login: "POST without a cookie (the kit also ends the user's other session; the peers' live on)",
};

function rateOf({ rounds }: Outcome): number {
  return median(rounds.map(({ perSecond }) => perSecond));
}

/** The peer that answers most; undefined where none was measured. */
function fasterPeer(outcomes: Outcomes): Outcome | undefined {
  const peers = [...outcomes].filter(([name]) => name !== BARE && name !== KIT);
  return peers.map(([, peer]) => peer).toSorted((a, b) => rateOf(b) - rateOf(a))[0];
}

/** Median of the ratios of req/s, each within a round. */
function ratio({ rounds }: Outcome, to: Outcome | undefined): string {
  if (to === undefined) return "–";
  const ratios = rounds.map(({ perSecond }, round) => perSecond / to.rounds[round]!.perSecond);
  return median(ratios).toFixed(2);
}

function tableOf(workload: Workload, outcomes: Outcomes): Table {
  const [bare, peer] = [outcomes.get(BARE), fasterPeer(outcomes)];
  const rows = [...outcomes].map(([server, outcome]) => {
    const { rounds, roundTrips, earlierSession } = outcome;
    const middle = (figure: (finding: Finding) => number): number => median(rounds.map(figure));
    return {
      server,
      "req/s": Math.round(rateOf(outcome)),
      "of bare": ratio(outcome, bare),
      "of faster peer": ratio(outcome, peer),
      "p50 ms": middle(({ p50 }) => p50).toFixed(1),
      "p99 ms": middle(({ p99 }) => p99).toFixed(1),
      "CPU µs/req": Math.round(middle(({ cpu }) => cpu)),
      "Redis commands/req": middle(({ sent }) => sent).toFixed(2),
      "called by scripts/req": middle(({ called }) => called).toFixed(2),
      "round trips": Number.isNaN(roundTrips) ? "–" : roundTrips.toFixed(1),
      "user's other session": earlierSession,
      "other answers": rounds.reduce((sum, { unexpected }) => sum + unexpected, 0),
    };
  });
  return { title: `${workload}, ${DESCRIPTIONS[workload]}; median of the rounds`, rows };
}

function goalsOf(results: Results): Goal[] {
  return [...results].map(([workload, outcomes]) => {
    const failing = [...outcomes]
      .filter(([, { rounds }]) => rounds.some(({ unexpected }) => unexpected > 0))
      .map(([name]) => name);
    return {
      text: `${workload}: every answer is a 200 (${failing.join(", ") || "no server failed"})`,
      met: failing.length === 0,
    };
  });
}

/** Makes the report. */
export function reportOf(results: Results): Report {
  return {
    tables: [...results].map(([workload, outcomes]) => tableOf(workload, outcomes)),
    goals: goalsOf(results),
    data: Object.fromEntries(
      [...results].map(([workload, outcomes]) => [workload, Object.fromEntries(outcomes)]),
    ),
  };
}
