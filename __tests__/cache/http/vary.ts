/** Which of the stored variants a request gets (RFC 9111, section 4.1; RFC 9110, section 12.5.5). */
import { deepStrictEqual as equal, notDeepStrictEqual as notEqual } from "node:assert";
import type { Answer, Fields, Seen, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, forwards, hit, reuses, second } from "./case.ts";

const vary = (value: string | string[], more: Fields = {}) =>
  cc("max-age=60", { Vary: value, ...more });

const DE = { "X-Lang": "de" };
const FR = { "X-Lang": "fr" };

const MATCHING: Case[] = [
  ...cases(
    "RFC 9111 §4.1",
    "MUST NOT",
    { "another value of a nominated field": forwards(vary("X-Lang"), { first: DE, second: FR }) },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.1", "MUST NOT", {
    ...each(
      "another value of a field nominated by",
      ["x-lang", "X-LANG", "X-Other, X-Lang", "X-Other,X-Lang", " X-Other ,\tX-Lang ", ",,X-Lang,"],
      (value) => forwards(vary(value), { first: DE, second: FR }),
    ),
    "another value of a field that a second line nominates": forwards(vary(["X-Other", "X-Lang"]), {
      first: DE,
      second: FR,
    }),
    "a field that was there is absent": forwards(vary("X-Lang"), { first: DE, second: {} }),
    "a field that was absent is there": forwards(vary("X-Lang"), { first: {}, second: DE }),
    "a field that was absent is empty": forwards(vary("X-Lang"), {
      first: {},
      second: { "X-Lang": "" },
    }),
    "one of two nominated fields differs": forwards(vary("X-Lang, X-Size"), {
      first: { ...DE, "X-Size": "1" },
      second: { ...DE, "X-Size": "2" },
    }),
    "another value in its case alone": forwards(vary("X-Lang"), {
      first: DE,
      second: { "X-Lang": "DE" },
    }),
    "the same values in two other fields": forwards(vary("X-A, X-B"), {
      first: { "X-A": "1", "X-B": "2" },
      second: { "X-A": "2", "X-B": "1" },
    }),
    "another Cookie": forwards(vary("Cookie"), {
      first: { Cookie: "a=1" },
      second: { Cookie: "a=2" },
    }),
    "another User-Agent": forwards(vary("User-Agent"), {
      first: { "User-Agent": "one" },
      second: { "User-Agent": "two" },
    }),
    "another Accept": forwards(vary("Accept"), {
      first: { Accept: "text/html" },
      second: { Accept: "text/plain" },
    }),
    "a HEAD with another value": second(
      vary("X-Lang"),
      { first: DE, second: FR, method: "HEAD" },
      (two) => equal(two.isForwarded, true),
    ),
    "a coding that the client did not ask for": hit(
      vary("Accept-Encoding"),
      { first: { "Accept-Encoding": "gzip" }, second: { "Accept-Encoding": "identity" } },
      (two) => equal(two.headers["content-encoding"] ?? "identity", "identity"),
    ),
  }),
  ...cases("RFC 9111 §4.1", "MUST NOT", {
    ...each("never matches: Vary", ["*", "*, X-Lang", "X-Lang, *", " * "], (value) =>
      forwards(vary(value), { first: DE }),
    ),
    "never matches: Vary with * in a second line": forwards(vary(["X-Lang", "*"]), { first: DE }),
  }),
  ...cases("RFC 9111 §4.1", "API", {
    "the same value": reuses(vary("X-Lang"), { first: DE, second: { "x-lang": "de" } }),
    "absent both times": reuses(vary("X-Lang")),
    "other fields may differ": reuses(vary("X-Lang"), {
      first: { ...DE, "X-Size": "1" },
      second: { ...DE, "X-Size": "2" },
    }),
    "the order of the names does not count": reuses(vary("X-Size, X-Lang, x-size"), {
      first: { ...DE, "X-Size": "1" },
    }),
    "an empty Vary is none": reuses(vary(""), { first: DE, second: FR }),
    "a hit has Vary": hit(vary("X-Lang"), { first: DE }, (two) =>
      equal(two.headers.vary, "X-Lang"),
    ),
  }),
  ...cases("RFC 9111 §4.1", "MAY", {
    "one line or two, it is the same value": reuses(vary("X-Lang"), {
      first: { "X-Lang": "de, fr" },
      second: { "X-Lang": ["de", "fr"] },
    }),
  }),
];

async function say(world: World, fields: Fields): Promise<[boolean, string]> {
  const { isForwarded, body } = await world.ask(fields);
  return [isForwarded, body];
}

const SIDE_BY_SIDE: Case[] = [
  ...cases(
    "RFC 9111 §4.1",
    "API",
    {
      "variants live side by side": async (world) => {
        world.answers(vary("X-Lang"));
        equal(await say(world, DE), [true, "#1"]);
        equal(await say(world, FR), [true, "#2"]);
        equal(await say(world, DE), [false, "#1"]);
        equal(await say(world, FR), [false, "#2"]);
      },
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.1", "API", {
    "each variant has a freshness of its own": async (world) => {
      world.answers(cc("max-age=10", { Vary: "X-Lang" }), cc("max-age=60", { Vary: "X-Lang" }));
      await world.ask(DE);
      await world.ask(FR);
      world.pass(11);
      equal(await say(world, FR), [false, "#2"]);
      equal(await say(world, DE), [true, "#3"]);
    },
  }),
  ...cases("RFC 9111 §4", "MUST", {
    "of two entries that match, the later by Date is used": async (world) => {
      world.answers(vary("X-A"), vary("X-B"));
      await world.ask({ "X-A": "1", "X-B": "1" });
      world.pass(1);
      await world.ask({ "X-A": "2", "X-B": "2" });
      const both = await world.ask({ "X-A": "1", "X-B": "2" });
      notEqual([both.isForwarded, both.body], [false, "#1"]);
    },
    "the last answer for a variant replaces the one before": async (world) => {
      world.answers(vary("X-Lang"));
      await world.ask(DE);
      world.pass(1);
      await world.ask({ ...DE, "Cache-Control": "no-cache" });
      equal(await say(world, DE), [false, "#2"]);
    },
  }),
  ...cases("RFC 9111 §4.1", "MUST NOT", {
    "a Vary that came later does not loosen an earlier one": async (world) => {
      world.answers(vary("X-Lang"), vary("X-Size"));
      await world.ask({ ...DE, "X-Size": "1" });
      await world.ask({ ...FR, "X-Size": "2" });
      equal((await world.ask({ ...FR, "X-Size": "1" })).isForwarded, true);
    },
    "a Vary that a 304 brought holds": async (world) => {
      const said = cc("max-age=10", { ETag: '"a"' });
      world.answers(said, cc("max-age=60", { ETag: '"a"', Vary: "X-Lang" }, 304), {});
      await world.ask(DE);
      world.pass(11);
      equal(await say(world, DE), [true, "#1"]);
      equal(await say(world, FR), [true, "#3"]);
    },
    "a 304 for one variant freshens no other": async (world) => {
      const variant = ({ headers }: Seen): Answer => {
        const etag = `"${String(headers["x-lang"])}"`;
        const status = headers["if-none-match"] === etag ? 304 : 200;
        return cc("max-age=10", { Vary: "X-Lang", ETag: etag }, status);
      };
      world.answers(variant);
      await world.ask(DE);
      await world.ask(FR);
      world.pass(11);
      equal(await say(world, DE), [true, "#1"]);
      equal(await say(world, FR), [true, "#2"]);
      equal(world.seen[3]?.headers["if-none-match"], '"fr"');
    },
    "a Vary that came later holds": async (world) => {
      world.answers(cc("max-age=10"), vary("X-Lang"));
      await world.ask(DE);
      world.pass(11);
      await world.ask(DE);
      equal(await say(world, FR), [true, "#3"]);
    },
  }),
  ...cases("RFC 9111 §4.1", "SHOULD", {
    "of entries with and without Vary, one with Vary is chosen": async (world) => {
      world.answers(vary("X-Lang"), cc("max-age=60"), {});
      await world.ask(DE);
      world.pass(1);
      await world.ask(FR);
      equal(await say(world, DE), [false, "#1"]);
    },
  }),
];

/** Cases of `RFC 9111 §4.1`. */
export const VARY: readonly Case[] = [...MATCHING, ...SIDE_BY_SIDE];
