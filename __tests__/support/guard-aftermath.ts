/** What is tried once a round is over: every id by a real request, a login beside stale members, reads without a Set. */
import type { Connection } from "../../src/connection/port.ts";
import { type Invariant, type Look, validIn } from "./guard-look.ts";
import type { App } from "./guard-process.ts";
import type { Round } from "./guard-round.ts";

const NEVER = new Promise<void>(() => {});

/** Whom a request with a session's cookie is let in as. */
async function admitted(app: App, id: string): Promise<string | undefined> {
  let user: string | undefined;
  await app(id, async ({ session }) => {
    user = session.userId;
  });
  return user;
}

/** All ids of the round, by a request each. */
async function checkReads(
  round: Round,
  ids: readonly string[],
  app: App,
  end: Look,
): Promise<void> {
  const seen = new Map<string, string[]>();
  for (const id of ids) {
    const user = await admitted(app, id);
    const isValidFor = round.users.find((one) => validIn(end, one).includes(id));
    if (user !== undefined) seen.set(user, [...(seen.get(user) ?? []), id]);
    if (user === isValidFor) continue;
    const invariant: Invariant = user === undefined ? "I4" : "I3";
    const what = `${id} is let in as ${user}, and valid for ${isValidFor}, at the end`;
    round.found.push({ invariant, what });
  }
  for (const [user, those] of seen) {
    if (those.length > round.plan.room.concurrent)
      round.found.push({ invariant: "I1", what: `${those.join(", ")} are let in as ${user}` });
  }
}

/** Deletes a session by hand, or lets it expire. */
async function makeStale(hand: Connection, key: string, expires: boolean): Promise<void> {
  if (!expires) {
    await hand.del(key);
    return;
  }
  await hand.pexpire(key, 1);
  while ((await hand.get(key)) !== null) await new Promise((resolve) => setImmediate(resolve));
}

/** I6: a user all of whose members are stale signs in; they are pruned. */
async function checkStale(round: Round, app: App, user: string): Promise<void> {
  const { hand, sampler } = round.places;
  const members = [...((await sampler.lookStill([user])).get(user) ?? new Map()).keys()];
  if (members.length === 0) return;
  const expires = round.chance.is(0.5);
  for (const id of members) await makeStale(hand, `session:${id}`, expires);
  const deed = await round.send(app, { kind: "login", user }, undefined, NEVER);
  const id = deed.answer?.cookie ?? "";
  const left = await hand.smembers(`user:${user}:sessions`);
  const isIn = (await admitted(app, id)) === user;
  round.report.staleLogins += 1;
  if (deed.outcome === "ok" && isIn && left.length === 1) return;
  const what = `a login of ${user} beside stale ${members.join(", ")}: ${deed.outcome} ${deed.answer?.code}, then ${left.join(", ")}`;
  round.found.push({ invariant: "I6", what });
}

/** I8: nobody is let in whose Set is gone. */
async function checkSetless(round: Round, app: App, user: string): Promise<void> {
  await round.places.hand.del(`user:${user}:sessions`);
  const ids = [...round.ids];
  round.report.setlessReads += ids.length;
  for (const id of ids) {
    if ((await admitted(app, id)) !== user) continue;
    round.found.push({ invariant: "I8", what: `${id} is let in as ${user}, who has no Set` });
  }
}

/** All of it; the process has nothing of the round's before. */
export async function checkAfter(round: Round, end: Look): Promise<void> {
  const app = round.start(round.places.hand);
  // Requests that are turned away make ids of their own.
  await checkReads(round, [...round.ids], app, end);
  const [first, second] = round.users as [string, string];
  if (round.chance.is(0.5)) await checkStale(round, app, first);
  if (round.chance.is(0.3)) {
    await checkSetless(round, app, second);
    await checkSetless(round, app, first);
  }
}
