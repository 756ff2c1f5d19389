/** Tables and goals of what the parts found. */
import type { Goal, Report, Table } from "../support/report.ts";
import type {
  ConnectionsFigures,
  Figures,
  IdentitiesFigures,
  IdentitiesRow,
  SoakFigures,
} from "./figures.ts";
import type { Finding } from "./load.ts";
import type { MapFinding } from "./maps.ts";
import { growthOf, TOLERATED } from "./soak.ts";

/** Of the most req/s that were seen, what many connections are to leave. */
const KEPT_BY_CONNECTIONS = 0.8;

/** Of the req/s with the fewest identities, what the most are to leave: everything that is remembered of few is asked anew of many. */
const KEPT_BY_IDENTITIES = 0.6;

/** From so many identities on, the maps of sessions are full. */
const FULL = 10_000;

/** By how much the heap may grow from there to the most identities. */
const BEYOND_FULL = 0.1;

const mega = (bytes: number): number => bytes / 1e6;
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function columnsOf({ memory, ...finding }: Finding) {
  return {
    "req/s": Math.round(finding.perSecond),
    "p50 ms": finding.p50,
    "p99 ms": finding.p99,
    "CPU µs/req": Math.round(finding.cpu),
    "Redis commands/req": finding.commands,
    "heap MB": mega(memory.heap),
    "rss MB": mega(memory.rss),
    "other answers": finding.unexpected,
    "other programs, cores": finding.foreign,
  };
}

function connectionsTable({ rows }: ConnectionsFigures): Table {
  return {
    title: "by connections; medians of the rounds",
    rows: rows.map(({ connections, ...finding }) => ({ connections, ...columnsOf(finding) })),
  };
}

function identitiesTables({ rows }: IdentitiesFigures): Table[] {
  return [
    {
      title: "by identities: members who read",
      rows: rows.map(({ identities, reading, redisMemory }) => ({
        identities,
        answers: reading.answers,
        ...columnsOf(reading),
        "Redis MB": mega(redisMemory),
      })),
    },
    {
      title: "by identities: strangers after that",
      rows: rows.map(({ identities, strangers }) => ({
        identities,
        answers: strangers.answers,
        ...columnsOf(strangers),
      })),
    },
    mapsTable("maps", rows),
  ];
}

/** A row for each map, a column for each level. */
function mapsTable(
  title: string,
  levels: readonly Pick<IdentitiesRow, "identities" | "maps">[],
): Table {
  const bounds = boundsOf(levels.flatMap(({ maps }) => maps));
  const rows = [...bounds].map(([map, max]) => ({
    map,
    ...Object.fromEntries(
      levels.map(({ identities, maps }) => [
        `with ${identities}`,
        maps.find(({ name }) => name === map)?.size ?? 0,
      ]),
    ),
    bound: max ?? Infinity,
  }));
  return { title, rows };
}

/** The bound of each map by its name, those that hold nothing left out. */
export function boundsOf(maps: readonly MapFinding[]): Map<string, number | null> {
  const used = maps.filter(({ size }) => size > 0);
  return new Map(used.map(({ name, max }) => [name, max]));
}

function soakTables({ rows, maps }: SoakFigures): Table[] {
  const minutes = rows.map(({ perSecond, p99, memory, unexpected, foreign }, index) => ({
    minute: index + 1,
    "req/s": Math.round(perSecond),
    "p99 ms": p99,
    "heap MB": mega(memory.heap),
    "rss MB": mega(memory.rss),
    "other answers": unexpected,
    "other programs, cores": foreign,
  }));
  const held = maps.filter(({ size }) => size > 0);
  return [
    { title: "soak", rows: minutes },
    {
      title: "maps after the soak",
      rows: held.map(({ name, size, max }) => ({ map: name, size, bound: max ?? Infinity })),
    },
  ];
}

/** All answers were as they had to be. */
function rightGoal(part: string, findings: readonly { readonly unexpected: number }[]): Goal {
  const wrong = findings.reduce((sum, { unexpected }) => sum + unexpected, 0);
  return { text: `${part}: no other answer than had to come (${wrong})`, met: wrong === 0 };
}

/** Nobody was answered by a handler: what was measured is the stack, not the app. */
function hitGoal(part: string, findings: readonly Finding[]): Goal {
  const handled = findings.reduce((sum, { answers, hits }) => sum + answers - hits, 0);
  return {
    text: `${part}: all pages came from the cache (others: ${handled})`,
    met: handled === 0,
  };
}

/** Otherwise the maps do not show what so many do to them. */
function attendanceGoal(rows: readonly IdentitiesRow[]): Goal {
  const missing = rows.reduce(
    (sum, { identities, reading }) => sum + Math.max(0, identities - reading.answers),
    0,
  );
  return { text: `identities: all were here (missing: ${missing})`, met: missing === 0 };
}

function boundGoal(part: string, maps: readonly MapFinding[]): Goal {
  const beyond = maps.filter(({ size, max }) => max === null || size > max);
  const names = beyond.map(({ name }) => name).join(", ") || "none";
  return {
    text: `${part}: every large map has a bound and keeps it (others: ${names})`,
    met: beyond.length === 0,
  };
}

function connectionsGoals({ rows }: ConnectionsFigures): Goal[] {
  const best = Math.max(...rows.map(({ perSecond }) => perSecond));
  const most = rows.at(-1)!;
  const share = most.perSecond / best;
  return [
    rightGoal("connections", rows),
    hitGoal("connections", rows),
    {
      text: `${most.connections} connections leave at least ${KEPT_BY_CONNECTIONS} of the most req/s (${share.toFixed(2)})`,
      met: share >= KEPT_BY_CONNECTIONS,
    },
  ];
}

function identitiesGoals({ rows }: IdentitiesFigures): Goal[] {
  const [fewest, most] = [rows[0]!, rows.at(-1)!];
  const share = most.reading.perSecond / fewest.reading.perSecond;
  const full = rows.find(({ identities }) => identities >= FULL);
  const goals = [
    rightGoal(
      "identities",
      rows.flatMap(({ reading, strangers }) => [reading, strangers]),
    ),
    attendanceGoal(rows),
    hitGoal(
      "identities",
      rows.map(({ reading }) => reading),
    ),
    boundGoal(
      "identities",
      rows.flatMap(({ maps }) => maps),
    ),
    {
      text: `${most.identities} identities leave at least ${KEPT_BY_IDENTITIES} of the req/s of ${fewest.identities} (${share.toFixed(2)})`,
      met: share >= KEPT_BY_IDENTITIES,
    },
  ];
  if (full !== undefined && full !== most) {
    const growth = most.reading.memory.heap / full.reading.memory.heap - 1;
    goals.push({
      text: `${most.identities} identities take at most ${percent(BEYOND_FULL)} more heap than ${full.identities} (${percent(growth)})`,
      met: growth <= BEYOND_FULL,
    });
  }
  return goals;
}

function soakGoals({ rows, maps }: SoakFigures): Goal[] {
  const growth = growthOf(rows);
  return [
    rightGoal("soak", rows),
    boundGoal("soak", maps),
    {
      text: `soak: the last heap is at most ${percent(TOLERATED)} above the first (${percent(growth)})`,
      met: growth <= TOLERATED,
    },
  ];
}

/** Makes the report of the parts that there are. */
export function reportOf({ connections, identities, soak }: Figures): Report {
  return {
    tables: [
      ...(connections ? [connectionsTable(connections)] : []),
      ...(identities ? identitiesTables(identities) : []),
      ...(soak ? soakTables(soak) : []),
    ],
    goals: [
      ...(connections ? connectionsGoals(connections) : []),
      ...(identities ? identitiesGoals(identities) : []),
      ...(soak ? soakGoals(soak) : []),
    ],
    data: { connections, identities, soak },
  };
}
