/** Proof that a server has sessions that work: none may win by failing. */
import { strict as assert } from "node:assert";
import { exchange } from "../support/http.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { CONTENDERS } from "./servers.ts";
import { messageOf, USERS, type Visitor, type Workload } from "./workloads.ts";

/** Signs in for the proof alone. */
const PROVER = "user-999";

/** As long as a real one, for the server that knows none. */
const NO_SESSION = `__Host-sid=${"x".repeat(86)}`;

/** Sends one request of a workload; rejects where it is not answered with 200. */
export async function answerTo(
  port: number,
  workload: Workload,
  visitor: Visitor,
): Promise<unknown> {
  const { status, body } = await exchange(port, messageOf(workload, visitor));
  assert.equal(status, 200, `${workload} of ${visitor.user}: ${status} ${body}`);
  return JSON.parse(body);
}

/** The key of the session that a cookie speaks of. */
function keyOf(name: string, { cookie }: Visitor): string {
  const value = decodeURIComponent(cookie.slice(cookie.indexOf("=") + 1));
  return CONTENDERS[name]!.prefix! + value.slice("s:".length, value.lastIndexOf("."));
}

/** Signs a user in. */
async function signIn(name: string, port: number, user: string): Promise<Visitor> {
  const { status, body, cookie } = await exchange(
    port,
    messageOf("login", { user, cookie: NO_SESSION }),
  );
  assert.equal(status, 200, `${name}, login of ${user}: ${status} ${body}`);
  assert.deepEqual(JSON.parse(body), { user });
  const hasSessions = CONTENDERS[name]!.prefix !== undefined;
  assert.equal(cookie !== undefined, hasSessions, `${name}: a login's cookie`);
  return { user, cookie: cookie ?? NO_SESSION };
}

/** Signs all users in, and shows that each one's session is its own and can be read. */
export async function signAllIn(name: string, port: number): Promise<Visitor[]> {
  const visitors: Visitor[] = [];
  for (const user of USERS) visitors.push(await signIn(name, port, user));
  if (CONTENDERS[name]!.prefix === undefined) return visitors;
  assert.equal(new Set(visitors.map((visitor) => keyOf(name, visitor))).size, USERS.length);
  for (const visitor of visitors) {
    assert.deepEqual(await answerTo(port, "read", visitor), { user: visitor.user });
  }
  return visitors;
}

/**
 * Shows that a login leaves a session in Redis, that it can be read and written, and that nothing
 * else is let in. Answers whether a user's second login ended the first.
 */
export async function verify(name: string, port: number, { client }: RedisServer): Promise<string> {
  if (CONTENDERS[name]!.prefix === undefined) return "–";
  const first = await signIn(name, port, PROVER);
  const text = await client.get(keyOf(name, first));
  assert.equal((JSON.parse(text ?? "{}") as { userId?: string }).userId, PROVER);
  assert.ok((await client.ttl(keyOf(name, first))) > 0, `${name}: a session that never expires`);
  for (const writes of [1, 2]) {
    assert.deepEqual(await answerTo(port, "write", first), { user: PROVER, writes });
  }
  // The last character of a signature holds bits that do not count.
  const forged = first.cookie.replace(/.(?=.$)/, (letter) => (letter === "A" ? "B" : "A"));
  for (const cookie of [NO_SESSION, forged]) {
    const { status } = await exchange(port, messageOf("read", { user: PROVER, cookie }));
    assert.equal(status, 401, `${name}: a session from nowhere`);
  }
  const second = await signIn(name, port, PROVER);
  assert.deepEqual(await answerTo(port, "read", second), { user: PROVER });
  const { status } = await exchange(port, messageOf("read", first));
  return status === 401 ? "ended" : "lives on";
}

/** How much of a workload has come to stand in Redis by now; undefined where none leaves a trace. */
export async function traces(
  workload: Workload,
  name: string,
  visitors: readonly Visitor[],
  { client }: RedisServer,
): Promise<number | undefined> {
  if (workload === "read" || CONTENDERS[name]!.prefix === undefined) return undefined;
  if (workload === "login") return client.dbsize();
  const texts = await client.mget(visitors.map((visitor) => keyOf(name, visitor)));
  return texts
    .map((text) => (JSON.parse(text ?? "{}") as { writes?: number }).writes ?? 0)
    .reduce((sum, writes) => sum + writes, 0);
}
