/** How long a response is fresh (RFC 9111, sections 1.2.2, 4.2, 4.2.1 and 5.3). */
import type { Answer, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, forEach, forwards, reuses } from "./case.ts";

type ByClock = (world: World) => Answer;

const expiring =
  (seconds: number, more: Answer["fields"] = {}): ByClock =>
  (world) => ({ fields: { Expires: world.date(seconds), ...more } });

const LIFETIME: Case[] = [
  ...cases(
    "RFC 9111 §4.2",
    "MUST NOT",
    {
      "max-age is not outlived": forwards(cc("max-age=60"), { after: 61 }),
      "max-age=0 is not reused": forwards(cc("max-age=0")),
      "Expires is not outlived": forwards(expiring(60), { after: 61 }),
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.2", "MUST NOT", {
    "an age equal to the lifetime is stale": forwards(cc("max-age=60"), { after: 60 }),
    "s-maxage is not outlived": forwards(cc("s-maxage=60"), { after: 61 }),
    "s-maxage=0 is not reused": forwards(cc("s-maxage=0, max-age=60")),
  }),
  ...cases("RFC 9111 §4.2.1", "API", {
    "max-age is used to its last second": reuses(cc("max-age=60"), { after: 59 }),
    "max-age of a year is kept for months": reuses(cc("max-age=31536000"), { after: 20_000_000 }),
    "s-maxage is used to its last second": reuses(cc("s-maxage=60"), { after: 59 }),
    "Expires is used to its last second": reuses(expiring(60), { after: 59 }),
  }),
  ...cases("RFC 9111 §4.2.1", "MUST", {
    "s-maxage goes before a longer max-age": forwards(cc("max-age=600, s-maxage=60"), {
      after: 61,
    }),
    "s-maxage goes before a shorter max-age": reuses(cc("max-age=0, s-maxage=60"), { after: 59 }),
  }),
  ...cases("RFC 9111 §5.3", "MUST", {
    "max-age goes before a later Expires": forwards(
      expiring(600, { "Cache-Control": "max-age=60" }),
      { after: 61 },
    ),
    "max-age goes before an Expires in the past": reuses(
      expiring(-600, { "Cache-Control": "max-age=60" }),
      { after: 59 },
    ),
    "max-age=0 goes before a later Expires": forwards(
      expiring(600, { "Cache-Control": "max-age=0" }),
    ),
    "s-maxage goes before a later Expires": forwards(
      expiring(600, { "Cache-Control": "s-maxage=60" }),
      { after: 61 },
    ),
    "s-maxage goes before an invalid Expires": reuses(cc("s-maxage=60", { Expires: "0" }), {
      after: 59,
    }),
  }),
];

const NUMBERS: Case[] = [
  ...cases("RFC 9111 §1.2.2", "MUST", {
    ...forEach(
      [
        "max-age=2147483647",
        "max-age=2147483648",
        "max-age=4294967296",
        "max-age=99999999999999999999",
        `max-age=${"9".repeat(400)}`,
        "s-maxage=99999999999999999999",
      ],
      (value) =>
        `more seconds than fit are very many: ${value.replace(/9{400}/, "9… (400 digits)")}`,
      (value) => reuses(cc(value), { after: 3600 }),
    ),
  }),
  ...cases("RFC 9111 §1.2.2", "API", {
    "leading zeros do not make a number octal": reuses(cc("max-age=0060"), { after: 59 }),
    "leading zeros do not make a number longer": forwards(cc("max-age=0060"), { after: 61 }),
  }),
  ...cases("RFC 9111 §4.2.1", "ought", {
    ...each(
      "what is no number of seconds is stale",
      [
        "max-age=-60",
        "max-age=+60",
        "max-age=60.5",
        "max-age=6e1",
        "max-age=0x60",
        "max-age=60s",
        "max-age=60 seconds",
        "max-age=abc",
        "max-age=",
        "max-age",
        'max-age=""',
        "max-age='60'",
        "max-age: 60",
        "s-maxage=abc, max-age=60",
        "s-maxage=-1, max-age=60",
      ],
      (value) => forwards(cc(value)),
    ),
    "an invalid max-age is not saved by an Expires": forwards(
      expiring(600, { "Cache-Control": "max-age=abc" }),
    ),
    ...each(
      "of several values the first counts, or the response is stale",
      ["max-age=1, max-age=600", "s-maxage=1, s-maxage=600", "max-age=1, public, MAX-AGE=600"],
      (value) => forwards(cc(value), { after: 30 }),
    ),
    "of max-age in two field lines the first counts, or the response is stale": forwards(
      cc(["max-age=1", "max-age=600"]),
      { after: 30 },
    ),
    "of two Expires the first counts, or the response is stale": forwards((world) => ({
      fields: { Expires: [world.date(-60), world.date(600)] },
    })),
  }),
];

/** Cases of `RFC 9111 §4.2`. */
export const FRESHNESS: readonly Case[] = [...LIFETIME, ...NUMBERS];
