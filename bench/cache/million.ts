/** A million entries with two tags each: which keys stand for them, what they weigh, and what a purge costs then. */
import { parseArgs } from "node:util";
import { createKit, type Kit } from "../../src/index.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type Goal, printReport, type Table } from "../support/report.ts";
import { type Census, commandsOf, takeCensus, usedMemory } from "./census.ts";
import { createShop, type Shop, TAG_VALUES, tagsOf } from "./fill.ts";

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "1000000" },
    /** So many come first, to compare what a purge costs then. */
    few: { type: "string", default: "1000" },
    json: { type: "boolean", default: false },
    /** Fails where a goal is missed. */
    check: { type: "boolean", default: false },
  },
});

type Commands = Record<string, number>;

/** What one purge cost, and what lookups gave after it. */
interface Purged {
  readonly commands: Commands;
  /** Of those that it named. */
  readonly hitsLeft: number;
  /** Of those that it did not name, out of `asked`. */
  readonly hitsKept: number;
  readonly asked: number;
}

const sum = (commands: Commands): number =>
  Object.values(commands).reduce((total, calls) => total + calls, 0);

async function hitsOf(shop: Shop, ids: readonly number[]): Promise<number> {
  let hits = 0;
  for (const id of ids) if (await shop.isHit(id)) hits += 1;
  return hits;
}

/** Purges, then asks: first what has to be gone, then what has to be there. */
async function purge(
  { client }: RedisServer,
  shop: Shop,
  work: () => Promise<unknown>,
  gone: readonly number[],
  kept: readonly number[],
): Promise<Purged> {
  const commands = await commandsOf(client, work);
  const hitsLeft = await hitsOf(shop, gone);
  const hitsKept = await hitsOf(shop, kept);
  return { commands, hitsLeft, hitsKept, asked: kept.length };
}

/** Both kinds of purge, among `count` entries. */
async function purgeBoth(
  redis: RedisServer,
  kit: Kit,
  shop: Shop,
  count: number,
): Promise<{ byTemplate: Purged; byTag: Purged }> {
  const ids = Array.from({ length: Math.min(count, 2000) }, (_, index) =>
    Math.floor((index * count) / Math.min(count, 2000)),
  );
  const [one, group] = [7, tagsOf(5)[0]];
  const tagged = Array.from(
    { length: Math.ceil((count - 5) / TAG_VALUES) },
    (_, index) => 5 + index * TAG_VALUES,
  );
  const byTemplate = await purge(
    redis,
    shop,
    () => kit.cache.purge("item:[id]", { id: one }),
    [one],
    ids.filter((id) => id !== one),
  );
  const byTag = await purge(
    redis,
    shop,
    () => kit.cache.purgeTag(group),
    tagged,
    ids.filter((id) => tagsOf(id)[0] !== group),
  );
  return { byTemplate, byTag };
}

function purgeRow(name: string, entries: number, { commands, ...rest }: Purged) {
  return {
    purge: name,
    "among entries": entries,
    commands: Object.entries(commands)
      .map(([command, calls]) => `${calls} × ${command}`)
      .join(", "),
    "hits of what it named": rest.hitsLeft,
    "hits of the others": rest.hitsKept,
    "of asked": rest.asked,
  };
}

function goalsOf(census: Census, few: Purged[], many: Purged[]): Goal[] {
  const others = census.tags.keys + census.locks.keys + census.others.keys;
  const immortal = Object.values(census).reduce((total, kind) => total + kind.immortal, 0);
  const commands = (purges: Purged[]) => purges.map((one) => sum(one.commands)).join(" and ");
  return [
    {
      text: `keys that are no entries: ${others}, at most one for each of ${2 * TAG_VALUES} tag values in use`,
      met: others <= 2 * TAG_VALUES,
    },
    { text: `keys without a TTL: ${immortal}`, met: immortal === 0 },
    {
      text: `a purge takes as many commands among many entries (${commands(many)}) as among few (${commands(few)})`,
      met: commands(few) === commands(many),
    },
    {
      text: "no purged entry is served, and every other one is",
      met: [...few, ...many].every(
        ({ hitsLeft, hitsKept, asked }) => hitsLeft === 0 && hitsKept === asked,
      ),
    },
  ];
}

async function run(redis: RedisServer, kit: Kit): Promise<boolean> {
  await kit.ready();
  const [few, many] = [Number(values.few), Number(values.entries)];
  const shop = createShop(kit);
  await shop.fill(0, few);
  const before = await purgeBoth(redis, kit, shop, few);
  await kit.cache.clear();
  await redis.client.flushall();
  const empty = await usedMemory(redis.client);
  const started = performance.now();
  await shop.fill(0, many);
  const seconds = (performance.now() - started) / 1000;
  const full = await usedMemory(redis.client);
  const census = await takeCensus(redis.client);
  const after = await purgeBoth(redis, kit, shop, many);
  const tables: Table[] = [
    {
      title: "Keys",
      rows: Object.entries(census).map(([kind, { keys, immortal }]) => ({
        kind,
        keys,
        "without a TTL": immortal,
      })),
    },
    {
      title: "Memory",
      rows: [
        {
          entries: many,
          "used_memory, MB": (full - empty) / 1e6,
          "bytes an entry, of which 300 are body": (full - empty) / many,
          "entries written a second": many / seconds,
        },
      ],
    },
    {
      title: "Purges",
      rows: [
        purgeRow("by template", few, before.byTemplate),
        purgeRow("by template", many, after.byTemplate),
        purgeRow("by tag", few, before.byTag),
        purgeRow("by tag", many, after.byTag),
      ],
    },
  ];
  const goals = goalsOf(census, [before.byTemplate, before.byTag], [after.byTemplate, after.byTag]);
  printReport({ tables, goals, data: { census, before, after } }, values.json);
  return goals.every(({ met }) => met);
}

const redis = await startRedis();
const nowhere = { info: () => {}, warn: () => {}, error: () => {} };
const kit = createKit({
  redis: `redis://127.0.0.1:${redis.port}`,
  logger: nowhere,
  deadline: "10s",
  connectDeadline: "10s",
});
try {
  const isMet = await run(redis, kit);
  if (values.check && !isMet) process.exitCode = 1;
} finally {
  await kit.close();
  await redis.stop();
}
