/** Signed-in users and stored pages by the million: what the kit writes for one is written for each, names changed. */
import { strict as assert } from "node:assert";
import { freemem } from "node:os";
import type { Redis } from "ioredis";
import type { RedisServer } from "../support/redis-server.ts";
import { hashOf } from "../../src/cache/request/variant.ts";
import { until } from "../support/until.ts";
import { addressOf, brandOf, pageOf, sessionOf, userOf } from "./people.ts";
import { tell } from "./load.ts";
import type { Server } from "./server.ts";
import { cookieIn, loginOf, ORIGIN, readingOf } from "./traffic.ts";
import { type Reply, Wire } from "./wire.ts";

/** Bytes of Redis for one: session, Set, page and count weigh 1.6 kB. */
const WEIGHT = 2500;

/** People that one script writes. */
const BATCH = 1000;

/** How often it is told how far the filling is, in people. */
const TOLD = 100_000;

/** How many are asked for afterwards, to see that the kit takes what was written for its own. */
const PROBES = 20;

/** What stands in a key, and until when. */
interface Original {
  readonly text: string;
  /** Milliseconds. */
  readonly ttl: number;
}

/** Someone's keys, as the kit wrote them. */
interface Originals {
  readonly session: Original;
  /** Milliseconds that the user's Set lives. */
  readonly setTtl: number;
  readonly page: Original;
}

function setKeyOf(n: number): string {
  return `user:${userOf(n)}:sessions`;
}

function pageKeyOf(n: number): string {
  return `cache:brand:${brandOf(n)}:settings`;
}

/** A page's variant: the hash is all in an entry that cannot be had by changing names. */
function variantOf(n: number): string {
  return hashOf([pageOf(n), pageOf(n), ORIGIN, ""], "public");
}

async function originalAt(client: Redis, key: string): Promise<Original> {
  const [text, ttl] = [await client.get(key), await client.pttl(key)];
  assert.ok(text !== null && ttl > 0, `${key} holds nothing that ends`);
  return { text, ttl };
}

/** Number 0 signs in and reads, as anyone else would. */
async function writeOriginals(wire: Wire, client: Redis): Promise<Originals> {
  const welcome = await wire.ask(loginOf(0).text);
  const cookie = cookieIn(welcome);
  assert.ok(cookie !== undefined, "the login gave no cookie");
  const reading = readingOf(0).text.replace(/Cookie: .*/, `Cookie: ${cookie}`);
  assert.equal((await wire.ask(reading)).status, 200);
  const pageKey = pageKeyOf(0);
  // At first the key holds nothing but the version of what will be stored.
  const isStored = async (): Promise<boolean> =>
    (await client.get(pageKey))?.includes(variantOf(0)) ?? false;
  await until(isStored, "the page is stored, and its variant has the hash that is made here");
  const setKey = setKeyOf(0);
  const [id] = await client.smembers(setKey);
  return {
    session: await originalAt(client, `session:${id}`),
    setTtl: await client.pttl(setKey),
    page: await originalAt(client, pageKey),
  };
}

/** Stand for the names in what is copied; no magic characters of Lua's patterns. */
const PLACES = { user: "USER0", address: "ADDRESS0", brand: "BRAND0", hash: "HASH0" };

/**
 * Arguments: a session's text and TTL, a Set's TTL, a page's text and TTL; then of each person session
 * key, session id, Set key, user, address, page key, brand, hash.
 */
const COPY = `
local function named(text, place, name) return (string.gsub(text, place, name)) end
for n = 6, #ARGV, 8 do
  local session = named(named(ARGV[1], '${PLACES.user}', ARGV[n + 3]), '${PLACES.address}', ARGV[n + 4])
  redis.call('SET', ARGV[n], session, 'PX', ARGV[2])
  redis.call('DEL', ARGV[n + 2])
  redis.call('SADD', ARGV[n + 2], ARGV[n + 1])
  redis.call('PEXPIRE', ARGV[n + 2], ARGV[3])
  local page = named(named(ARGV[4], '${PLACES.brand}', ARGV[n + 6]), '${PLACES.hash}', ARGV[n + 7])
  redis.call('SET', ARGV[n + 5], page, 'PX', ARGV[5])
end`;

async function copy(client: Redis, originals: Originals, from: number, to: number): Promise<void> {
  const { session, setTtl, page } = originals;
  const sessionText = session.text
    .replaceAll(userOf(0), PLACES.user)
    .replaceAll(addressOf(0), PLACES.address);
  const pageText = page.text
    .replaceAll(brandOf(0), PLACES.brand)
    .replaceAll(variantOf(0), PLACES.hash);
  const people: string[] = [];
  for (let n = from; n < to; n += 1) {
    const id = sessionOf(n);
    people.push(`session:${id}`, id, setKeyOf(n), userOf(n), addressOf(n));
    people.push(pageKeyOf(n), brandOf(n), variantOf(n));
  }
  await client.eval(COPY, 0, sessionText, session.ttl, setTtl, pageText, page.ttl, ...people);
}

function isHit({ status, head, body }: Reply, n: number): boolean {
  return status === 200 && head.includes("; hit") && body.includes(brandOf(n));
}

/** Puts `count` people into an empty Redis, each signed in and with a page that is stored. */
export async function fill(server: Server, redis: RedisServer, count: number): Promise<void> {
  if (freemem() < count * WEIGHT) {
    throw new Error(`${count} people need ${Math.ceil((count * WEIGHT) / 1e9)} GB of memory.`);
  }
  const { client } = redis;
  const wire = new Wire(server.port);
  const originals = await writeOriginals(wire, client);
  for (let from = 0; from < count; from += BATCH) {
    await copy(client, originals, from, Math.min(count, from + BATCH));
    if (from > 0 && from % TOLD === 0) tell(`${from} of ${count} people are in Redis`);
  }
  for (let probe = 0; probe < PROBES; probe += 1) {
    const n = Math.floor((probe * count) / PROBES);
    const reply = await wire.ask(readingOf(n).text);
    assert.ok(isHit(reply, n), `number ${n} is not served: ${reply.head}\n${reply.body}`);
  }
  wire.close();
}
