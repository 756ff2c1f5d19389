/** Proof that a server has all four parts, and that they work: none may win by failing. */
import { strict as assert } from "node:assert";
import { type Exchange, exchange, type Message } from "../support/http.ts";
import { ask } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";
import type { Server } from "./load.ts";
import { CONTENDERS, isBare } from "./servers.ts";
import type { Usage } from "../support/measured-server.ts";
import {
  IDS,
  messageOf,
  messagesOf,
  NO_SESSION,
  settingsOf,
  type Visitor,
  type Workload,
} from "./workloads.ts";

/** Asks until all is remembered: the kit learns from a path's first requests what the next will need. */
const WARMING = 3;

/** Tries of what a busy machine may spoil: the kit does not wait for Redis longer than its deadline. */
const TRIES = 5;

/** Sends a request, again where it was answered with 503. */
async function send(port: number, message: Message): Promise<Exchange> {
  let answer = await exchange(port, message);
  for (let n = 1; n < TRIES && answer.status === 503; n += 1) {
    answer = await exchange(port, message);
  }
  return answer;
}

/** Asks for one brand; rejects where it is not answered in full. */
export async function answerTo(
  port: number,
  workload: Workload,
  id: string,
  visitor: Visitor,
): Promise<Exchange> {
  const answer = await send(port, messageOf(workload, id, visitor));
  assert.equal(answer.status, 200, `${workload}, ${id}: ${answer.status} ${answer.body}`);
  assert.deepEqual(JSON.parse(answer.body), settingsOf(id));
  return answer;
}

/** What a limiter says is left; undefined where there is none. */
export async function quotaLeft({ name, port }: Server): Promise<number | undefined> {
  if (isBare(name)) return undefined;
  const { fields } = await send(port, { path: "/nowhere" });
  const [, left] = /;\s*r=(\d+)/.exec(String(fields["ratelimit"])) ?? [];
  assert.ok(left !== undefined, `${name}: no RateLimit field`);
  return Number(left);
}

/** The key of the session that a cookie speaks of. */
function keyOf(name: string, { cookie }: Visitor): string {
  const value = decodeURIComponent(cookie.slice(cookie.indexOf("=") + 1));
  return CONTENDERS[name]!.prefix! + value.slice("s:".length, value.lastIndexOf("."));
}

/** Signs users in; a bare server knows none. */
export async function signIn({ name, port }: Server, users: readonly string[]): Promise<Visitor[]> {
  if (isBare(name)) return users.map((user) => ({ user, cookie: NO_SESSION }));
  const visitors: Visitor[] = [];
  for (const user of users) {
    const { status, body, cookie } = await send(port, {
      method: "POST",
      path: `/login/${user}`,
    });
    assert.equal(status, 200, `${name}, login of ${user}: ${status} ${body}`);
    assert.ok(cookie !== undefined, `${name}: a login without a cookie`);
    visitors.push({ user, cookie });
  }
  assert.equal(new Set(visitors.map((visitor) => keyOf(name, visitor))).size, users.length);
  return visitors;
}

/** Has every brand asked for until each is stored and all is remembered. */
export async function warm(
  server: Server,
  workload: Workload,
  visitors: readonly Visitor[],
): Promise<void> {
  for (let n = 0; n < WARMING; n += 1) {
    for (const message of messagesOf(workload, visitors)) {
      const { status, body } = await send(server.port, message);
      assert.equal(status, 200, `${server.name}, ${workload}: ${status} ${body}`);
    }
  }
}

async function prove(
  server: Server,
  workload: Workload,
  visitors: readonly Visitor[],
  { client }: RedisServer,
): Promise<void> {
  const { name, child, port, db } = server;
  await warm(server, workload, visitors);
  const before = await ask<Usage>(child, "usage");
  const left = await quotaLeft(server);
  for (const [n, id] of IDS.entries()) {
    await answerTo(port, workload, id, visitors[n % visitors.length]!);
  }
  const after = await ask<Usage>(child, "usage");
  assert.equal(after.calls, before.calls, `${name}, ${workload}: a handler ran for a hit`);
  if (left === undefined) return;
  assert.equal(left - (await quotaLeft(server))!, IDS.length + 1, `${name}: what was counted`);
  await client.select(db);
  const [visitor] = visitors;
  const text = await client.get(keyOf(name, visitor!));
  assert.equal((JSON.parse(text ?? "{}") as { userId?: string }).userId, visitor!.user, name);
  if (workload === "anonymous") return;
  // The last character of a signature holds bits that do not count.
  const forged = visitor!.cookie.replace(/.(?=.$)/, (letter) => (letter === "A" ? "B" : "A"));
  for (const cookie of [NO_SESSION, forged]) {
    const message = messageOf(workload, IDS[0]!, { user: visitor!.user, cookie });
    assert.equal((await send(port, message)).status, 401, `${name}: a session from nowhere`);
  }
}

/** Shows that the guard lets nobody else in, that the session is in Redis, and that hits are hits. */
export async function verify(...given: Parameters<typeof prove>): Promise<void> {
  for (let n = 1; n < TRIES; n += 1) {
    try {
      return await prove(...given);
    } catch {
      // Once more; the last try tells.
    }
  }
  await prove(...given);
}
