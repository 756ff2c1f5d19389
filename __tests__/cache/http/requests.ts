/** What a request may ask of a cache (RFC 9111, sections 5.2.1 and 5.4). */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, Fields, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, forwards, later, reuses } from "./case.ts";

const ask = (value: string | string[]): Fields => ({ "Cache-Control": value });

/** An entry of 60 s at this age, asked for with this directive. */
const fresh = (after: number, value: string) => ({ after, first: {}, second: ask(value) });

const VALIDATABLE = cc("max-age=60", { ETag: '"a"' });

/** What a later request with this directive gets; the handler may be asked behind it. */
const gets =
  (body: string, said: Answer, seconds: number, value: string): Case["run"] =>
  async (world) =>
    equal((await later(world, said, seconds, {}, ask(value))).body, body);

const AGE: Case[] = [
  ...cases("RFC 9111 §5.2.1.1", "API", {
    "max-age=0 reaches the handler": forwards(cc("max-age=60"), fresh(1, "max-age=0")),
    "max-age below the age reaches the handler": forwards(
      cc("max-age=60"),
      fresh(30, "max-age=29"),
    ),
    "max-age above the age is answered from the store": reuses(
      cc("max-age=60"),
      fresh(30, "max-age=31"),
    ),
    "max-age does not make a stale entry fresh": forwards(
      cc("max-age=60"),
      fresh(61, "max-age=600"),
    ),
    "an Age of the handler's counts against max-age": forwards(
      cc("max-age=60", { Age: "30" }),
      fresh(0, "max-age=29"),
    ),
    ...each("reaches the handler: quoted, in any case", ['max-age="0"', "MAX-AGE=0"], (value) =>
      forwards(cc("max-age=60"), fresh(1, value)),
    ),
  }),
  ...cases("RFC 9111 §5.2.1.3", "API", {
    "min-fresh above what is left reaches the handler": forwards(
      cc("max-age=60"),
      fresh(30, "min-fresh=31"),
    ),
    "min-fresh below what is left is answered from the store": reuses(
      cc("max-age=60"),
      fresh(30, "min-fresh=29"),
    ),
  }),
  ...cases("RFC 9111 §5.2.1.2", "API", {
    "max-stale without a value takes any staleness": gets("#1", VALIDATABLE, 500, "max-stale"),
    "max-stale above the staleness is answered from the store": gets(
      "#1",
      VALIDATABLE,
      65,
      "max-stale=10",
    ),
    "max-stale below the staleness reaches the handler": gets(
      "#2",
      VALIDATABLE,
      75,
      "max-stale=10",
    ),
    "max-stale takes what stale-while-revalidate keeps": gets(
      "#1",
      cc("max-age=60, stale-while-revalidate=10"),
      65,
      "max-stale=10",
    ),
    "max-stale takes an entry that Expires made stale": async (world) => {
      const fields = { Expires: world.date(60), ETag: '"a"' };
      await gets("#1", { fields }, 65, "max-stale=10")(world);
    },
  }),
  ...cases(
    "RFC 9111 §5.2.1.2",
    "MAY",
    {
      "max-stale takes an entry without validators": gets(
        "#1",
        cc("max-age=60"),
        65,
        "max-stale=10",
      ),
    },
    { deviation: "what cannot be validated is not kept once it is stale" },
  ),
  ...cases("RFC 9111 §4.2.4", "MUST NOT", {
    ...each(
      "max-stale does not reach over",
      [
        "max-age=60, must-revalidate",
        "max-age=60, proxy-revalidate",
        "s-maxage=60",
        "max-age=60, no-cache",
      ],
      (value) => forwards(cc(value, { ETag: '"a"' }), fresh(61, "max-stale=600")),
    ),
  }),
];

const ODD: Case[] = [
  ...cases("RFC 9111 §5.2.3", "MUST", {
    ...each(
      "an unknown request directive is ignored",
      ["foo", "foo=1", 'foo="no-cache"', 'foo="a, no-cache"', "no-transform", "x-no-cache"],
      (value) => reuses(cc("max-age=60"), fresh(1, value)),
    ),
  }),
];

const NO_CACHE: Case[] = [
  ...cases(
    "RFC 9111 §5.2.1.4",
    "API",
    { "no-cache reaches the handler": forwards(cc("max-age=60"), fresh(1, "no-cache")) },
    { isCore: true },
  ),
  ...cases("RFC 9111 §5.2.1.4", "API", {
    ...each("reaches the handler", ["No-Cache", "foo, no-cache", "foo , no-cache"], (value) =>
      forwards(cc("max-age=60"), fresh(1, value)),
    ),
    "no-cache in a second field line reaches the handler": forwards(cc("max-age=60"), {
      first: {},
      second: ask(["foo", "no-cache"]),
    }),
    "what no-cache brought is stored": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask();
      await world.ask(ask("no-cache"));
      const { isForwarded, body } = await world.ask();
      equal([isForwarded, body], [false, "#2"]);
    },
    "no-cache may validate: a 304 brings the stored body": async (world) => {
      world.answers(cc("max-age=60", { ETag: '"a"' }), ({ headers }) =>
        headers["if-none-match"] === undefined
          ? cc("max-age=60", { ETag: '"b"' })
          : cc("max-age=60", { ETag: '"a"' }, 304),
      );
      await world.ask();
      const { status, body, isForwarded } = await world.ask(ask("no-cache"));
      equal([status, isForwarded], [200, true]);
      equal(["#1", "#2"].includes(body), true);
    },
  }),
  ...cases("RFC 9111 §5.4", "API", {
    "Pragma: no-cache reaches the handler": forwards(cc("max-age=60"), {
      first: {},
      second: { Pragma: "no-cache" },
    }),
    "Pragma of another kind says nothing": reuses(cc("max-age=60"), {
      first: {},
      second: { Pragma: "foo" },
    }),
  }),
];

const NO_STORE: Case[] = [
  ...cases("RFC 9111 §5.2.1.5", "MUST NOT", {
    ...each("nothing is stored of", ["no-store", "NO-STORE", "foo, no-store"], (value) =>
      forwards(cc("max-age=60"), { first: ask(value), second: {} }),
    ),
    "what a request with no-store brought replaces nothing": async (world) => {
      world.answers(cc("max-age=10"), cc("max-age=60"));
      await world.ask();
      world.pass(11);
      await world.ask(ask("no-store"));
      equal((await world.ask()).body, "#3");
    },
  }),
  ...cases("RFC 9111 §5.2.1.5", "MAY", {
    "what was stored before is used": reuses(cc("max-age=60"), fresh(1, "no-store")),
  }),
];

/** What a request with only-if-cached gets, once an entry of 60 s is so old. */
async function onlyIfCached(world: World, after: number, more = ""): Promise<[number, number]> {
  world.answers(cc("max-age=60"));
  await world.ask();
  world.pass(after);
  const { status } = await world.ask(ask(`only-if-cached${more}`));
  return [status, world.seen.length];
}

const ONLY_IF_CACHED: Case[] = [
  ...cases(
    "RFC 9111 §5.2.1.7",
    "SHOULD",
    {
      "only-if-cached without an entry is 504, and no one is asked": async (world) => {
        world.answers(cc("max-age=60"));
        equal((await world.ask(ask("only-if-cached"))).status, 504);
        equal(world.seen.length, 0);
      },
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §5.2.1.7", "SHOULD", {
    "only-if-cached gets a fresh entry": async (world) => {
      equal(await onlyIfCached(world, 30), [200, 1]);
    },
    "only-if-cached with a stale entry is 504": async (world) => {
      equal(await onlyIfCached(world, 61), [504, 1]);
    },
    "only-if-cached with max-stale gets a stale entry": gets(
      "#1",
      VALIDATABLE,
      61,
      "only-if-cached, max-stale=10",
    ),
    "only-if-cached with a max-age that the entry passed is 504": async (world) => {
      equal(await onlyIfCached(world, 30, ", max-age=10"), [504, 1]);
    },
    "only-if-cached with another variant is 504": async (world) => {
      world.answers(cc("max-age=60", { Vary: "X-Lang" }));
      await world.ask({ "X-Lang": "de" });
      const reply = await world.ask({ "X-Lang": "fr", ...ask("only-if-cached") });
      equal([reply.status, world.seen.length], [504, 1]);
    },
    "only-if-cached and the ETag are 304": async (world) => {
      world.answers(cc("max-age=60", { ETag: '"a"' }));
      await world.ask();
      const reply = await world.ask({ "If-None-Match": '"a"', ...ask("only-if-cached") });
      equal([reply.status, world.seen.length], [304, 1]);
    },
  }),
];

/** Cases of `RFC 9111 §5.2.1`. */
export const REQUESTS: readonly Case[] = [
  ...AGE,
  ...ODD,
  ...NO_CACHE,
  ...NO_STORE,
  ...ONLY_IF_CACHED,
];
