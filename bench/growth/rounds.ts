/** Levels that are measured by turns: what else the machine does meanwhile, it does to all of them. */
import { median } from "../support/statistics.ts";
import type { Finding } from "./load.ts";

/** How often, and for how long. */
export interface Rounds {
  readonly rounds: number;
  /** Of a round, milliseconds. */
  readonly ms: number;
}

/** Works on each level once a round, in an order that moves on with it. */
export async function inTurns<Level>(
  levels: readonly Level[],
  rounds: number,
  work: (level: Level) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const shift = round % levels.length;
    for (const level of [...levels.slice(shift), ...levels.slice(0, shift)]) await work(level);
  }
}

/** Of each figure its median; counts are added up. */
export function middleOf(findings: readonly Finding[]): Finding {
  const middle = (figure: (finding: Finding) => number): number => median(findings.map(figure));
  const sum = (count: (finding: Finding) => number): number =>
    findings.reduce((total, finding) => total + count(finding), 0);
  return {
    answers: sum(({ answers }) => answers),
    seconds: sum(({ seconds }) => seconds),
    perSecond: middle(({ perSecond }) => perSecond),
    p50: middle(({ p50 }) => p50),
    p99: middle(({ p99 }) => p99),
    cpu: middle(({ cpu }) => cpu),
    commands: middle(({ commands }) => commands),
    hits: sum(({ hits }) => hits),
    unexpected: sum(({ unexpected }) => unexpected),
    foreign: middle(({ foreign }) => foreign),
    memory: {
      rss: middle(({ memory }) => memory.rss),
      heap: middle(({ memory }) => memory.heap),
      external: middle(({ memory }) => memory.external),
    },
  };
}
