/** Tables and goals of what the rounds found. */
import type { Goal, Report, Table } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import type { Finding } from "./load.ts";
import type { Workload } from "./routes.ts";
import { CONTENDERS, isBare, KIT, KIT_IN_MEMORY } from "./servers.ts";
import { isCorrect, type Verdict } from "./verify.ts";

/** What was found out about one server before it was loaded. */
export interface Character {
  readonly verdict: Verdict;
  /** Handler calls for 100 requests at once, in one process and in two; NaN where two share nothing. */
  readonly calls: readonly [one: number, two: number];
  /** That a hit waits for. */
  readonly roundTrips: number;
}

/** The rounds by server. */
export type Rounds = ReadonlyMap<string, readonly Finding[]>;

/** All that was found. */
export interface Results {
  readonly characters: ReadonlyMap<string, Character>;
  readonly workloads: ReadonlyMap<Workload, Rounds>;
}

/** Shares of bare Express's req/s that the kit is to reach on hits. */
const GOALS: Readonly<Record<string, number>> = { [KIT]: 0.6, [KIT_IN_MEMORY]: 0.9 };

const DESCRIPTIONS: Readonly<Record<Workload, string>> = {
  json: "hits on 2 kB of JSON",
  large: "hits on 100 kB of HTML",
};

function middle(rounds: readonly Finding[], figure: (finding: Finding) => number): number {
  return median(rounds.map(figure));
}

function rateOf(rounds: readonly Finding[]): number {
  return middle(rounds, ({ perSecond }) => perSecond);
}

/** The bare server that answers most. */
function baseOf(rounds: Rounds): readonly Finding[] {
  const bare = [...rounds].filter(([name]) => isBare(name)).map(([, findings]) => findings);
  return bare.toSorted((a, b) => rateOf(b) - rateOf(a))[0]!;
}

/** Median of the ratios of one figure, each within a round. */
function ratio(
  rounds: readonly Finding[],
  base: readonly Finding[],
  figure: (finding: Finding) => number,
): number {
  return median(rounds.map((finding, round) => figure(finding) / figure(base[round]!)));
}

function correctness(name: string, { characters }: Results): string {
  const character = characters.get(name);
  return character === undefined ? "–" : isCorrect(character.verdict) ? "yes" : "no";
}

function speedTable(workload: Workload, rounds: Rounds, results: Results): Table {
  const base = baseOf(rounds);
  const rows = [...rounds].map(([server, findings]) => ({
    server,
    store: CONTENDERS[server]!.store,
    correct: correctness(server, results),
    "req/s": Math.round(rateOf(findings)),
    "of bare": ratio(findings, base, ({ perSecond }) => perSecond).toFixed(2),
    "p50 ms": middle(findings, ({ p50 }) => p50).toFixed(1),
    "p99 ms": middle(findings, ({ p99 }) => p99).toFixed(1),
    "CPU of bare": ratio(findings, base, ({ cpu }) => cpu).toFixed(2),
    "CPU µs/req": Math.round(middle(findings, ({ cpu }) => cpu)),
    "Redis commands/req": middle(findings, ({ sent }) => sent).toFixed(2),
    "other answers": findings.reduce((sum, { unexpected }) => sum + unexpected, 0),
  }));
  const title = `${DESCRIPTIONS[workload]}; median of the rounds; bare is the faster of the two`;
  return { title, rows };
}

function count(calls: number): string {
  return Number.isNaN(calls) ? "–" : `${calls}`;
}

function missTable({ characters }: Results): Table {
  const rows = [...characters].map(([server, { calls, roundTrips }]) => ({
    server,
    "handler calls, one process": count(calls[0]),
    "two processes": count(calls[1]),
    "round trips a hit waits for": Math.abs(roundTrips).toFixed(1),
  }));
  return {
    title: "100 requests at once for what nobody has stored; and what a hit waits for",
    rows,
  };
}

function correctnessTable({ characters }: Results): Table {
  const rows = [...characters].map(([server, { verdict }]) => ({ server, ...verdict }));
  return { title: "what was seen from outside", rows };
}

/** The fastest of those that are correct and keep responses in the same place as the kit's row. */
function isFirst(name: string, rounds: Rounds, results: Results): boolean {
  const isShared = CONTENDERS[name]!.store === "Redis";
  const rivals = [...rounds].filter(
    ([rival]) =>
      rival !== name &&
      !isBare(rival) &&
      (CONTENDERS[rival]!.store === "Redis") === isShared &&
      correctness(rival, results) === "yes",
  );
  const own = rounds.get(name)!;
  return rivals.every(([, rival]) => ratio(own, rival, ({ perSecond }) => perSecond) >= 1);
}

function goalsOf(results: Results): Goal[] {
  const goals: Goal[] = [];
  for (const [name, goal] of Object.entries(GOALS)) {
    const verdict = results.characters.get(name)?.verdict;
    if (verdict === undefined) continue;
    const wrong = Object.keys(verdict).filter((question) => verdict[question]!.startsWith("WRONG"));
    goals.push({
      text: `${name}: correct (wrong: ${wrong.join(", ") || "nothing"})`,
      met: wrong.length === 0,
    });
    for (const [workload, rounds] of results.workloads) {
      const share = ratio(rounds.get(name)!, baseOf(rounds), ({ perSecond }) => perSecond);
      goals.push(
        {
          text: `${name}, ${workload}: at least ${goal} of bare Express (${share.toFixed(2)})`,
          met: share >= goal,
        },
        {
          text: `${name}, ${workload}: first among all that are correct and store likewise`,
          met: isFirst(name, rounds, results),
        },
      );
    }
  }
  return goals;
}

/** Makes the report. */
export function reportOf(results: Results): Report {
  const speeds = [...results.workloads].map(([workload, rounds]) =>
    speedTable(workload, rounds, results),
  );
  return {
    tables: [...speeds, missTable(results), correctnessTable(results)],
    goals: goalsOf(results),
    data: {
      characters: Object.fromEntries(results.characters),
      workloads: Object.fromEntries(
        [...results.workloads].map(([workload, rounds]) => [workload, Object.fromEntries(rounds)]),
      ),
    },
  };
}
