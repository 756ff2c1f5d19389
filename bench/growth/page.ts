/** docs/performance.md and its chart, written of the figures that are kept. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { drawChart } from "./chart.ts";
import type {
  Circumstances,
  ConnectionsFigures,
  Figures,
  IdentitiesFigures,
  SoakFigures,
} from "./figures.ts";
import type { MapFinding } from "./maps.ts";
import { growthOf } from "./soak.ts";
import { boundsOf } from "./results.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGE = `${ROOT}docs/performance.md`;
const CHART = `${ROOT}docs/performance.svg`;

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const ms = (value: number): string => (value < 10 ? value.toFixed(1) : whole(value));
const mega = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** What each map is for, by the name that its owner gives it. */
const PURPOSES: Readonly<Record<string, string>> = {
  "Ledger.#users": "whose a session is, to ask for it and its guard at once",
  "KitSessionStore.#prolonged": "sessions whose expiry was moved lately",
  good: "cookies whose signature was found good",
  seen: "addresses that send forged cookies",
  denials: "identities that a limiter refuses",
  reports: "refusals that were told of lately",
  "Places.#known": "where a route's responses stand (for each `cache()`)",
  "CacheStore.#vary": "resources whose responses vary",
  "CacheStore.#apart": "variants that stand beside another one",
  "Places.#routed": "keys of the responses that a URL stands for",
  "Followers.#paths": "what the middlewares of a path ask Redis for",
  "Changes.#times": "what this process changed in the last seconds",
  "Coalescing.#passing": "resources that are not worth waiting for",
};

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(rows: readonly Readonly<Record<string, string>>[]): string {
  const names = Object.keys(rows[0] ?? {});
  const body = rows.map((row) => line(names.map((name) => row[name] ?? "")));
  return [line(names), line(names.map(() => "---")), ...body].join("\n");
}

function machine({ date, processor, cores, node, redis }: Circumstances): string {
  return `${date}, ${processor}, ${cores} cores, Node ${node}, Redis ${redis}`;
}

/** What other programs took away: figures taken beside them show them, too. */
function disturbance(rows: readonly { readonly foreign: number }[]): string {
  const worst = Math.max(...rows.map(({ foreign }) => foreign));
  if (!Number.isFinite(worst)) return "";
  return ` Other programs used up to ${worst.toFixed(1)} cores meanwhile.`;
}

function connectionsSection({ at, rounds, seconds, rows }: ConnectionsFigures): string {
  const cells = rows.map(({ connections, perSecond, p50, p99, cpu, memory }) => ({
    connections: String(connections),
    "req/s": whole(perSecond),
    p50: `${ms(p50)} ms`,
    p99: `${ms(p99)} ms`,
    "CPU a request": `${whole(cpu)} µs`,
    heap: `${mega(memory.heap)} MB`,
    rss: `${mega(memory.rss)} MB`,
  }));
  return `## More connections

${table(cells)}

Medians of ${rounds} rounds of ${seconds} s, in turns, each number of connections in a process of its own; 1,000 members. Heap and rss while the connections are open. ${machine(at)}.${disturbance(rows)}`;
}

/** Who was too slow is told: a process that has not met them does not hold them. */
function attendance(rows: IdentitiesFigures["rows"]): string {
  const short = rows.filter(({ identities, reading }) => reading.answers < identities);
  if (short.length === 0) return "all have been here";
  const counts = short.map(({ identities }) => whole(identities)).join(" and ");
  return `the time was over, in which of ${counts} **not all** had come`;
}

function identitiesSection({ at, connections, rounds, seconds, rows }: IdentitiesFigures): string {
  const cells = rows.map(({ identities, reading, strangers, redisMemory }) => ({
    identities: whole(identities),
    requests: whole(reading.answers),
    "req/s": whole(reading.perSecond),
    p99: `${ms(reading.p99)} ms`,
    "CPU a request": `${whole(reading.cpu)} µs`,
    "Redis commands a request": reading.commands.toFixed(1),
    heap: `${mega(reading.memory.heap)} MB`,
    "heap after strangers": `${mega(strangers.memory.heap)} MB`,
    rss: `${mega(strangers.memory.rss)} MB`,
    Redis: `${whole(redisMemory / 1e6)} MB`,
  }));
  return `## More identities

${table(cells)}

Each identity is an address, a signed-in user with a session, and a URL of its own; they ask by turns over ${connections} connections, so of more than a map holds, it has forgotten each when they come again: no order is worse for it. What is remembered of few has to be asked and computed anew for many: see the commands. Speed is the median of ${rounds} rounds of ${seconds} s, in turns, each number of identities with a process and a Redis of its own; heap is that after ${attendance(rows)}. Strangers are addresses that the limiter refuses, and addresses with forged cookies, up to 60,000. ${machine(at)}.${disturbance(rows.map(({ reading }) => reading))}

${mapsTable(rows)}`;
}

/** What the maps take when they are full, as far as it was seen: between the fewest identities and the most. */
function weightOfMaps(rows: IdentitiesFigures["rows"]): string {
  const [fewest, most] = [rows[0], rows.at(-1)];
  if (fewest === undefined || most === undefined || fewest === most) return "";
  const weight = most.strangers.memory.heap - fewest.strangers.memory.heap;
  return ` With ${whole(most.identities)} identities and the strangers after them, all of these maps together took ${mega(weight)} MB more than with ${whole(fewest.identities)}.`;
}

function mapsTable(rows: IdentitiesFigures["rows"]): string {
  const bounds = [...boundsOf(rows.flatMap(({ maps }) => maps))];
  const cells = bounds.map(([name, max]) => ({
    "what is remembered": PURPOSES[name] ?? `\`${name}\``,
    ...Object.fromEntries(
      rows.map(({ identities, maps }) => [
        `of ${whole(identities)}`,
        whole(maps.find((map) => map.name === name)?.size ?? 0),
      ]),
    ),
    bound: max === null ? "**none**" : whole(max),
  }));
  return table(cells);
}

/** A soak says most where the maps forget all the time. */
function fullness(maps: readonly MapFinding[]): string {
  const used = maps.filter(({ size }) => size > 0);
  const full = used.filter(({ size, max }) => size === max);
  return `at the end ${full.length} of the ${used.length} maps in use were full.`;
}

function soakSection(soak: SoakFigures): string {
  const { at, rows, seconds } = soak;
  const unit = seconds === 60 ? "minute" : `${seconds} s`;
  const cells = rows.map(({ perSecond, p99, memory }, index) => ({
    [unit]: String(index + 1),
    "req/s": whole(perSecond),
    p99: `${ms(p99)} ms`,
    heap: `${(memory.heap / 1e6).toFixed(2)} MB`,
    rss: `${mega(memory.rss)} MB`,
  }));
  return `## For longer

${table(cells)}

The heap of the last is ${(growthOf(rows) * 100).toFixed(1)} % above that of the first; more than 5 % would fail the run. All that happens on a site is mixed: of 200 requests 150 read, 10 change and purge, 10 sign in and 10 out, 8 are refused, 8 have forged cookies, 3 ask for a URL that nobody asked for before, 1 is given up by its client. ${whole(soak.members)} members and ${whole(soak.strangers)} strangers were all here once before the first; ${fullness(soak.maps)} ${machine(at)}.${disturbance(rows)}`;
}

/** The page of the parts that there are. */
export function pageOf({ connections, identities, soak }: Figures): string {
  return (
    [
      `# Performance

What becomes of speed and memory as an application grows: the whole stack (\`rateLimit()\`, \`session()\` with its guard, a check for members, \`cache('brand:settings', { scope: 'public' })\`) on \`/brands/:id/settings\`, in Express 5 on one Redis. This page is written by [\`npm run bench:growth\`](../bench/growth/README.md); no figure is copied by hand. How fast each part is beside other libraries is in [bench](../bench/README.md).

![Requests a second by connections and by identities; heap by identities and by minutes of load.](performance.svg)

The server runs on a core of its own; Redis and the load share another. Every answer is checked.`,
      ...(connections ? [connectionsSection(connections)] : []),
      ...(identities ? [identitiesSection(identities)] : []),
      ...(soak ? [soakSection(soak)] : []),
      `## What bounds the memory

A process remembers things that save a question to Redis, each in a map that forgets what was not used for longest; a forgotten entry costs a command, never a wrong answer.${weightOfMaps(identities?.rows ?? [])} Everything else lives as long as its request. In Redis every key has a time to live from the command that makes it, so what is kept there follows the identities that were active within \`idle\` (sessions), the window (limits) and \`ttl\` (responses).`,
    ].join("\n\n") + "\n"
  );
}

/** Writes page and chart, in the project's format. */
export function writePage(figures: Figures): void {
  writeFileSync(PAGE, pageOf(figures));
  writeFileSync(CHART, drawChart(figures));
  const written = [PAGE, fileURLToPath(new URL("figures.json", import.meta.url))];
  spawnSync(`${ROOT}node_modules/.bin/oxfmt`, written, { cwd: ROOT, stdio: "ignore" });
}
