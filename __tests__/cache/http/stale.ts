/** When a stale response may be served, and when not (RFC 9111, section 4.2.4; RFC 5861, section 3). */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, later } from "./case.ts";
import { broken, FORBIDDING, THROWS } from "./stale-answers.ts";

const PLAIN: Case[] = [
  ...cases("RFC 9111 §4.2.4", "MUST NOT", {
    "an error is no leave to serve a stale response": async (world) => {
      const reply = await later(world, cc("max-age=10", { ETag: '"a"' }), 11, broken(503));
      equal([reply.status, reply.body], [503, "broken"]);
    },
    "a handler that throws is no leave either": async (world) => {
      equal((await later(world, cc("max-age=10"), 11, THROWS)).status, 500);
    },
  }),
  ...cases("RFC 9111 §5.2.2.2", "API", {
    ...each(
      "is no reason to validate a fresh response",
      [
        "max-age=10, must-revalidate",
        "max-age=10, proxy-revalidate",
        "s-maxage=10, must-revalidate",
      ],
      (value) => async (world) => {
        const reply = await later(world, cc(value), 9);
        equal([reply.isForwarded, reply.body], [false, "#1"]);
      },
    ),
  }),
];

/** Served stale at once, and refreshed once behind the reply. */
async function refreshes(world: World, first: Answer, seconds: number): Promise<void> {
  const reply = await later(world, first, seconds, cc("max-age=10"));
  equal([reply.status, reply.body], [200, "#1"]);
  await world.forwarded(2);
  equal((await world.ask()).body, "#2");
  equal(world.seen.length, 2);
}

const SWR = "max-age=10, stale-while-revalidate=20";

const WHILE: Case[] = [
  ...cases(
    "RFC 5861 §3",
    "API",
    {
      "within the time, the stale response is served and refreshed behind it": (world) =>
        refreshes(world, cc(SWR), 29),
    },
    { isCore: true },
  ),
  ...cases("RFC 5861 §3", "API", {
    ...each(
      "is read",
      [
        "STALE-WHILE-REVALIDATE=20, max-age=10",
        'max-age=10, stale-while-revalidate="20"',
        "max-age=10,stale-while-revalidate=99999999999999999999",
      ],
      (value) => (world) => refreshes(world, cc(value), 15),
    ),
    "it works with Expires": (world) =>
      refreshes(world, cc("stale-while-revalidate=20", { Expires: world.date(10) }), 15),
    "the reply says the Age that the response has": async (world) => {
      equal((await later(world, cc(SWR), 15)).headers.age, "15");
    },
    "the refresh validates, and a 304 makes the entry fresh": async (world) => {
      const not = cc("max-age=100", { ETag: '"a"' }, 304);
      const reply = await later(world, cc(SWR, { ETag: '"a"' }), 15, not);
      equal(reply.body, "#1");
      await world.forwarded(2);
      equal(world.seen[1]!.headers["if-none-match"], '"a"');
      world.pass(50);
      const after = await world.ask();
      equal([after.body, after.isForwarded], ["#1", false]);
    },
    "a client that has the stale response gets 304": async (world) => {
      const reply = await later(
        world,
        cc(SWR, { ETag: '"a"' }),
        15,
        {},
        { "If-None-Match": '"a"' },
      );
      equal(reply.status, 304);
    },
  }),
  ...cases("RFC 5861 §3", "SHOULD NOT", {
    "after the time, the stale response is not served": async (world) => {
      const reply = await later(world, cc(SWR), 31);
      equal([reply.isForwarded, reply.body], [true, "#2"]);
    },
    ...each(
      "no time is read from",
      ["-1", "abc", "1.5e9", ""].map((value) => `max-age=10, stale-while-revalidate=${value}`),
      (value) => async (world) => {
        equal((await later(world, cc(value), 12)).body, "#2");
      },
    ),
  }),
  ...cases("RFC 9111 §4.2.4", "MUST NOT", {
    ...each("stale-while-revalidate does not reach over", FORBIDDING, (value) => async (world) => {
      const reply = await later(world, cc(`${value}, stale-while-revalidate=60`), 15);
      equal(reply.body, "#2");
    }),
    "stale-while-revalidate does not reach over no-cache": async (world) => {
      const reply = await later(world, cc("no-cache, max-age=10, stale-while-revalidate=60"), 5);
      equal(reply.body, "#2");
    },
    "stale-while-revalidate does not reach over a request's no-cache": async (world) => {
      const request = { "Cache-Control": "no-cache" };
      equal((await later(world, cc(SWR), 15, {}, request)).body, "#2");
    },
  }),
];

/** Cases of `RFC 9111 §4.2.4` and `RFC 5861 §3`. */
export const STALE: readonly Case[] = [...PLAIN, ...WHILE];
