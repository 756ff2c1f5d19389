/** What the rounds found, as a table, as ratios to each peer, and as goals. */
import { isPinned } from "../support/processes.ts";
import type { Goal, Report, Table } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { type Measurement, nameOf, type Row } from "./rows.ts";

/** A measurement, and what else used the machine meanwhile. */
export interface Finding extends Measurement {
  /** Microseconds of CPU that the server used. */
  readonly serverCpu: number;
  /** How much of a core others used; NaN where that is not known. */
  readonly foreign: number;
}

/** Findings by row and contender, one a round. */
export type Results = Map<Row, Map<string, Finding[]>>;

const KIT = "kit";
/** Times raw ioredis, GET at 50 in flight over plain TCP. */
const GOAL = 2;

function rate({ commands, elapsed }: Finding): number {
  return (commands / elapsed) * 1000;
}

function cost({ cpu, commands }: Finding): number {
  return cpu / commands;
}

/** A figure of the kit's over a peer's, round by round, so that a machine that slows down slows both. */
function ratiosOf(
  findings: Map<string, Finding[]>,
  peer: string,
  figure: (finding: Finding) => number,
): number[] {
  const own = findings.get(KIT)!;
  return findings.get(peer)!.map((finding, index) => figure(own[index]!) / figure(finding));
}

function tableOf(results: Results): Table {
  const rows = [...results].flatMap(([row, findings]) =>
    [...findings].map(([contender, rounds]) => ({
      row: nameOf(row),
      contender,
      "op/s": Math.round(median(rounds.map(rate))),
      lowest: Math.round(Math.min(...rounds.map(rate))),
      highest: Math.round(Math.max(...rounds.map(rate))),
      "client µs/op": median(rounds.map(cost)),
      "server µs/op": median(rounds.map(({ serverCpu, commands }) => serverCpu / commands)),
      failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
      "others' CPU": `${Math.round(median(rounds.map(({ foreign }) => foreign)) * 100)} %`,
    })),
  );
  const where = isPinned() ? "server and client on a core each" : "cores not assigned";
  return { title: `Median of the rounds (${where})`, rows };
}

function ratioTableOf(
  title: string,
  results: Results,
  figure: (finding: Finding) => number,
): Table {
  const rows = [...results].map(([row, findings]) => {
    const peers = [...findings.keys()].filter((name) => name !== KIT);
    const cells = peers.map((peer) => {
      const ratios = ratiosOf(findings, peer, figure);
      const [low, mid, high] = [Math.min(...ratios), median(ratios), Math.max(...ratios)];
      return [peer, `${mid.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`];
    });
    return { row: nameOf(row), ...Object.fromEntries(cells) } as Record<string, string>;
  });
  return { title: `${title}, in the same round: median (lowest–highest)`, rows };
}

function goalsOf(results: Results): Goal[] {
  const goals: Goal[] = [];
  for (const [row, findings] of results) {
    for (const peer of findings.keys()) {
      if (peer === KIT) continue;
      const ratio = median(ratiosOf(findings, peer, rate));
      goals.push({
        text: `${nameOf(row)}: not behind ${peer} (${ratio.toFixed(2)})`,
        met: ratio >= 1,
      });
      if (row.command === "get" && row.transport === "tcp" && row.inFlight === 50) {
        if (peer !== "ioredis") continue;
        goals.unshift({
          text: `${nameOf(row)}: at least ${GOAL} × raw ioredis (${ratio.toFixed(2)})`,
          met: ratio >= GOAL,
        });
      }
    }
  }
  return goals;
}

/** Makes the report. */
export function reportOf(results: Results): Report {
  const data = [...results].map(([row, findings]) => ({
    row: nameOf(row),
    rounds: Object.fromEntries(findings),
  }));
  const tables = [
    tableOf(results),
    ratioTableOf("The kit's op/s over each peer's", results, rate),
    ratioTableOf("The kit's client CPU per command over each peer's", results, cost),
  ];
  return { tables, goals: goalsOf(results), data };
}
