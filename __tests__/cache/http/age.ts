/** How old a stored response is, and what a hit says of it (RFC 9111, sections 4, 4.2.3 and 5.1). */
import { deepStrictEqual as equal } from "node:assert";
import type { Fields } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, forwards, hit, reuses, second } from "./case.ts";

const aged = (age: string | string[], value = "max-age=60", more: Fields = {}) =>
  cc(value, { Age: age, ...more });

const ageIs =
  (age: string) =>
  (two: { headers: { age?: string | undefined } }): void =>
    equal(two.headers.age, age);

const GENERATED: Case[] = [
  ...cases(
    "RFC 9111 §4",
    "MUST",
    {
      "a hit says its Age": hit(cc("max-age=60"), { after: 42 }, ageIs("42")),
      "an Age that the handler sent is replaced": hit(aged("10"), { after: 5 }, ageIs("15")),
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4", "MUST", {
    "a hit at once says Age: 0": hit(cc("max-age=60"), {}, ageIs("0")),
    "a 304 from the store says its Age": hit(
      cc("max-age=60", { ETag: '"a"' }),
      { after: 42, second: { "If-None-Match": '"a"' } },
      (two) => equal([two.status, two.headers.age], [304, "42"]),
    ),
    "a HEAD from the store says its Age": hit(
      cc("max-age=60"),
      { after: 42, method: "HEAD" },
      ageIs("42"),
    ),
    "each hit says the Age of its own moment": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask();
      for (const age of ["7", "14", "21"]) {
        world.pass(7);
        equal((await world.ask()).headers.age, age);
      }
    },
  }),
  ...cases("RFC 9111 §5.1", "API", {
    "Age counts whole seconds that have passed": hit(cc("max-age=60"), { after: 1.75 }, ageIs("1")),
  }),
  ...cases("RFC 9111 §5.1", "ought", {
    "an answer of the handler's own has no Age": async (world) => {
      world.answers(cc("max-age=60"));
      equal((await world.ask()).headers.age, undefined);
    },
    "an answer that replaces a stale one has no Age": second(
      cc("max-age=1", { ETag: '"a"' }),
      { after: 30 },
      (two) => equal([two.body, two.headers.age], ["#2", undefined]),
    ),
  }),
];

const COUNTED: Case[] = [
  ...cases("RFC 9111 §4.2.3", "MUST", {
    "the handler's Age counts": forwards(aged("30"), { after: 31 }),
    "the handler's Age counts for no more than it says": reuses(aged("30"), { after: 29 }),
    "an Age beyond the lifetime is stale at once": forwards(aged("61")),
    "Age counts against s-maxage": forwards(aged("61", "s-maxage=60")),
    "Age counts against Expires": forwards((world) => ({
      fields: { Expires: world.date(60), Age: "61" },
    })),
    "Age counts against a heuristic": forwards((world) => ({
      fields: { "Last-Modified": world.date(-600), Age: "61" },
    })),
    "a Date in the past counts": forwards((world) => cc("max-age=60", { Date: world.date(-30) }), {
      after: 31,
    }),
    "a Date in the past counts for no more than it says": hit(
      (world) => cc("max-age=60", { Date: world.date(-30) }),
      { after: 29 },
      ageIs("59"),
    ),
    "of Date and Age the older counts: Date": hit(
      (world) => aged("10", "max-age=600", { Date: world.date(-100) }),
      {},
      ageIs("100"),
    ),
    "of Date and Age the older counts: Age": hit(
      (world) => aged("100", "max-age=600", { Date: world.date(-10) }),
      {},
      ageIs("100"),
    ),
    "a Date that is ahead makes nothing younger": hit(
      (world) => cc("max-age=60", { Date: world.date(1000) }),
      { after: 30 },
      ageIs("30"),
    ),
    "a Date that is ahead makes nothing fresher": forwards(
      (world) => cc("max-age=60", { Date: world.date(1000) }),
      { after: 61 },
    ),
    "the time that the handler took counts": async (world) => {
      world.answers(() => {
        world.pass(10);
        return cc("max-age=60");
      });
      await world.ask();
      world.pass(20);
      equal((await world.ask()).headers.age, "30");
    },
    "the time that the handler took counts, beside its Age": async (world) => {
      world.answers(() => {
        world.pass(10);
        return aged("5");
      });
      await world.ask();
      world.pass(20);
      equal((await world.ask()).headers.age, "35");
    },
  }),
];

const READ: Case[] = [
  ...cases("RFC 9111 §5.1", "SHOULD", {
    ...each("an invalid Age is ignored", ["abc", "-5", "1.5", "30s", "0x1e", '"30"', ""], (value) =>
      hit(aged(value), { after: 40 }, ageIs("40")),
    ),
    "of a list the first counts": hit(aged("30, 5"), { after: 1 }, ageIs("31")),
    "of a list with a later, older member the first counts": hit(
      aged("5, 300"),
      { after: 1 },
      ageIs("6"),
    ),
    "of several field lines the first counts": hit(aged(["30", "5"]), { after: 1 }, ageIs("31")),
    "of a list whose first is invalid, none counts": hit(aged("abc, 30"), { after: 1 }, ageIs("1")),
  }),
  ...cases("RFC 9111 §1.2.2", "MUST", {
    ...each(
      "is very old",
      ["Age: 2147483648", "Age: 4294967296", "Age: 99999999999999999999"],
      (line) => forwards(aged(line.slice(5), "max-age=3600")),
    ),
    "a hit's Age does not overflow either": hit(
      aged("2147483640", "max-age=99999999999"),
      { after: 5 },
      (two) => equal(Number(two.headers.age) >= 2_147_483_645, true),
    ),
  }),
];

const DATE: Case[] = [
  ...cases("RFC 9111 §3.1", "MUST", {
    "a hit has the Date of the stored response": hit(
      (world) => cc("max-age=600", { Date: world.date(-100) }),
      { after: 50 },
      (two, one, world) =>
        equal([two.headers.date, one.headers.date], [world.date(-150), world.date(-150)]),
    ),
  }),
  ...cases("RFC 9110 §6.6.1", "MUST", {
    "a response without Date gets that of when it came": hit(
      cc("max-age=600", { Date: undefined }),
      { after: 50 },
      (two, _one, world) => equal(two.headers.date, world.date(-50)),
    ),
  }),
];

/** Cases of `RFC 9111 §4.2.3` and `§5.1`. */
export const AGE: readonly Case[] = [...GENERATED, ...COUNTED, ...READ, ...DATE];
