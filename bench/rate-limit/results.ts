/** Tables and goals of what the rounds found. */
import type { Goal, Report, Table } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import type { Finding } from "./load.ts";
import { BARE, CONTENDERS } from "./servers.ts";

/** Findings of every round, by traffic and server. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, readonly Finding[]>>;

const KIT = "express-redis-kit";

/** Of a flood that is refused, this share of bare Express's rate is hoped for. */
const FLOOD_GOAL = 0.7;

/** A server's req/s over its bare server's of the same round. */
function ratiosOf(findings: ReadonlyMap<string, readonly Finding[]>, name: string): number[] {
  const bare = findings.get(CONTENDERS[name]?.bare ?? name)!;
  return findings.get(name)!.map(({ perSecond }, round) => perSecond / bare[round]!.perSecond);
}

function tableOf(traffic: string, findings: ReadonlyMap<string, readonly Finding[]>): Table {
  const rows = [...findings].map(([server, rounds]) => {
    const middle = (figure: (finding: Finding) => number): number => median(rounds.map(figure));
    return {
      server,
      "req/s": Math.round(middle(({ perSecond }) => perSecond)),
      "of bare": median(ratiosOf(findings, server)).toFixed(2),
      "p99 ms": middle(({ p99 }) => p99),
      "CPU µs/req": middle(({ cpu }) => cpu),
      "Redis commands/req": middle(({ commands }) => commands).toFixed(3),
      "other answers": rounds.reduce((sum, { unexpected }) => sum + unexpected, 0),
    };
  });
  return { title: `Traffic that is ${traffic}: median of the rounds`, rows };
}

const COLUMNS: readonly [string, (finding: Finding) => number, lowest: boolean][] = [
  ["req/s", ({ perSecond }) => perSecond, false],
  ["p99", ({ p99 }) => p99, true],
  ["CPU", ({ cpu }) => cpu, true],
  // Requests that are under way at a round's end make a thousandth.
  ["commands", ({ commands }) => Number(commands.toFixed(2)), true],
];

function goalsOf(results: Results): Goal[] {
  const goals: Goal[] = [];
  if (!results.get("refused")?.has(KIT)) return goals;
  for (const [traffic, findings] of results) {
    const peers = Object.keys(CONTENDERS).filter(
      (name) => name !== KIT && findings.has(name) && CONTENDERS[name]!.bare === "bare Express",
    );
    for (const [column, figure, isLowest] of COLUMNS) {
      const of = (name: string): number => median(findings.get(name)!.map(figure));
      const own = of(KIT);
      const isFirst = peers.every((name) => (isLowest ? own <= of(name) : own >= of(name)));
      const others = peers.map((name) => `${name} ${of(name).toFixed(2)}`).join(", ");
      goals.push({
        text: `${traffic}: first of the Express ones in ${column} (${own.toFixed(2)}; ${others})`,
        met: isFirst,
      });
    }
  }
  const ratio = median(ratiosOf(results.get("refused")!, KIT));
  goals.push({
    text: `refused: at least ${FLOOD_GOAL} of bare Express answering as much (${ratio.toFixed(2)})`,
    met: ratio >= FLOOD_GOAL,
  });
  return goals;
}

/** Makes the report. */
export function reportOf(results: Results): Report {
  return {
    tables: [...results].map(([traffic, findings]) => tableOf(traffic, findings)),
    goals: goalsOf(results),
    data: Object.fromEntries(
      [...results].map(([traffic, findings]) => [traffic, Object.fromEntries(findings)]),
    ),
  };
}

/** Every server, in the order of the tables. */
export const SERVERS: readonly string[] = [...Object.keys(BARE), ...Object.keys(CONTENDERS)];
