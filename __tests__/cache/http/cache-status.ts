/** What the cache says it did (RFC 9211). */
import { deepStrictEqual as equal } from "node:assert";
import { cacheStatusOf, createGate, type Reply, type World } from "../../support/http-cache.ts";
import { Token } from "../../support/structured-field.ts";
import { type Case, cases, cc, each } from "./case.ts";
import { again, once } from "./cache-status-replies.ts";

/** The own member's parameters, tokens as text. */
function saidOf({ headers }: Reply): Record<string, unknown> {
  const parameters = [...cacheStatusOf(headers)];
  return Object.fromEntries(
    parameters.map(([key, value]) => [key, value instanceof Token ? String(value) : value]),
  );
}

const says =
  (expected: Record<string, unknown>, run: (world: World) => Promise<Reply>): Case["run"] =>
  async (world) => {
    equal(saidOf(await run(world)), expected);
  };

const HIT: Case[] = [
  ...cases(
    "RFC 9211 §2.1",
    "API",
    { "a hit is `hit` with what is left": says({ hit: true, ttl: 18 }, again("max-age=60", 42)) },
    { isCore: true },
  ),
  ...cases("RFC 9211 §2.4", "API", {
    "ttl counts what the handler's Age took": says(
      { hit: true, ttl: 20 },
      again("max-age=60", 10, {}, { Age: "30" }),
    ),
    "ttl is that of a heuristic too": async (world) => {
      world.answers({ fields: { "Last-Modified": world.date(-1000) } });
      await world.ask();
      world.pass(40);
      equal(saidOf(await world.ask()), { hit: true, ttl: 60 });
    },
    "ttl of what is served while it is refreshed is negative": says(
      { hit: true, ttl: -5 },
      again("max-age=60, stale-while-revalidate=60", 65),
    ),
    "ttl of what max-stale took is negative": says(
      { hit: true, ttl: -5 },
      again("max-age=60", 65, { "Cache-Control": "max-stale" }, { ETag: '"a"' }),
    ),
  }),
  ...cases("RFC 9211 §2.1", "API", {
    "a 304 from the store is a hit": says(
      { hit: true, ttl: 50 },
      again("max-age=60", 10, { "If-None-Match": '"a"' }, { ETag: '"a"' }),
    ),
  }),
];

const FORWARDED: Case[] = [
  ...cases(
    "RFC 9211 §2.2",
    "SHOULD",
    {
      "a miss says so, and that it was stored": says(
        { fwd: "miss", stored: true },
        once("max-age=60"),
      ),
    },
    { isCore: true },
  ),
  ...cases("RFC 9211 §2.2", "SHOULD", {
    "a stale entry says fwd=stale": says(
      { fwd: "stale", stored: true },
      again("max-age=60", 61, {}, { ETag: '"a"' }),
    ),
    "a stale entry under a request's no-cache says fwd=stale": async (world) => {
      const request = { "Cache-Control": "no-cache" };
      const reply = await again("max-age=60", 61, request, { ETag: '"a"' })(world);
      equal(saidOf(reply)["fwd"], "stale");
    },
    "a request's no-cache says fwd=request": async (world) => {
      const reply = await again("max-age=60", 1, { "Cache-Control": "no-cache" })(world);
      equal(saidOf(reply)["fwd"], "request");
    },
    "a request's max-age=0 says fwd=request": async (world) => {
      const reply = await again("max-age=60", 1, { "Cache-Control": "max-age=0" })(world);
      equal(saidOf(reply)["fwd"], "request");
    },
    "an unsafe method says fwd=method": async (world) => {
      const reply = await once("max-age=60", {}, {}, "POST")(world);
      equal(saidOf(reply)["fwd"], "method");
    },
    "another variant says fwd=miss or vary-miss": async (world) => {
      world.answers(cc("max-age=60", { Vary: "X-Lang" }));
      await world.ask({ "X-Lang": "de" });
      const { fwd } = saidOf(await world.ask({ "X-Lang": "fr" }));
      equal(["miss", "vary-miss"].includes(String(fwd)), true);
    },
  }),
  ...cases("RFC 9211 §2.5", "API", {
    ...each("is not `stored`", ["no-store", "private, max-age=60"], (value) => async (world) => {
      const said = saidOf(await once(value)(world));
      equal([said["fwd"], said["stored"] ?? false], ["miss", false]);
      equal(typeof said["detail"], "string");
    }),
    "what a request's no-store kept out is not `stored`": async (world) => {
      const reply = await once("max-age=60", {}, { "Cache-Control": "no-store" })(world);
      equal(saidOf(reply)["stored"] ?? false, false);
    },
  }),
  ...cases("RFC 9211 §2.3", "API", {
    "a validated entry says what the handler said": async (world) => {
      world.answers(cc("max-age=60", { ETag: '"a"' }), cc("max-age=60", { ETag: '"a"' }, 304));
      await world.ask();
      world.pass(61);
      const reply = await world.ask();
      equal(
        [reply.status, saidOf(reply)],
        [200, { fwd: "stale", "fwd-status": 304, stored: true }],
      );
    },
    "what a 304 with no-store validated is not `stored`": async (world) => {
      world.answers(cc("max-age=60", { ETag: '"a"' }), cc("no-store", { ETag: '"a"' }, 304));
      await world.ask();
      world.pass(61);
      const said = saidOf(await world.ask());
      equal([said["fwd-status"], said["stored"] ?? false], [304, false]);
    },
    "an error that a stale entry stands in for is told": async (world) => {
      world.answers(cc("max-age=60, stale-if-error=60"), { status: 503 });
      await world.ask();
      world.pass(61);
      equal(saidOf(await world.ask()), {
        fwd: "stale",
        "fwd-status": 503,
        detail: "stale-if-error",
      });
    },
  }),
];

const COLLAPSED: Case[] = [
  ...cases("RFC 9211 §2.6", "API", {
    "a request that another one's answer served says `collapsed`": async (world) => {
      const gate = createGate();
      world.answers(async () => {
        await gate.opened;
        return cc("max-age=60");
      });
      const both = [world.ask(), world.ask()];
      await world.arrived(2);
      gate.open();
      const replies = await Promise.all(both);
      equal(
        replies.map(({ body }) => body),
        ["#1", "#1"],
      );
      equal(replies.filter((reply) => saidOf(reply)["collapsed"] === true).length, 1);
    },
  }),
];

/** Cases of `RFC 9211`. */
export const CACHE_STATUS: readonly Case[] = [...HIT, ...FORWARDED, ...COLLAPSED];
