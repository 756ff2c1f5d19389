/** A client's own conditions (RFC 9111, section 4.3.2; RFC 9110, section 13). */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, Fields, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, hit, forEach } from "./case.ts";

const MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT";
const LATER = "Fri, 02 Jan 2026 00:00:00 GMT";
const EARLIER = "Wed, 31 Dec 2025 00:00:00 GMT";

const STORED: Fields = { ETag: '"a"', "Last-Modified": MODIFIED };

/** A hit to a request with these conditions. */
const answers = (
  status: number,
  request: Fields,
  stored: Fields = STORED,
  said: Partial<Answer> = {},
): Case["run"] =>
  hit({ ...cc("max-age=60", stored), ...said }, { second: request }, (two) => {
    equal([two.status, two.body], [status, status === 304 ? "" : "#1"]);
  });

const TAGS: Case[] = [
  ...cases(
    "RFC 9110 §13.1.2",
    "MUST",
    {
      "If-None-Match with the ETag is answered 304": answers(304, { "If-None-Match": '"a"' }),
      "If-None-Match with another is answered in full": answers(200, { "If-None-Match": '"b"' }),
    },
    { isCore: true },
  ),
  ...cases("RFC 9110 §13.1.2", "MUST", {
    "the comparison is weak: W/ in the request": answers(304, { "If-None-Match": 'W/"a"' }),
    "the comparison is weak: W/ in the entry": answers(
      304,
      { "If-None-Match": '"a"' },
      { ETag: 'W/"a"' },
    ),
    "the comparison is weak: W/ in both": answers(
      304,
      { "If-None-Match": 'W/"a"' },
      { ETag: 'W/"a"' },
    ),
    ...each(
      "is answered 304",
      ['"x", "a"', '"x","a","y"', ' "x" ,\t"a" ', '"x",, "a"', "*"],
      (value) => answers(304, { "If-None-Match": value }),
    ),
    ...each(
      "is answered in full",
      ['"A"', "a", '"a', '"x, a"', '"aa"', '"x", "y"', '"*"', 'w/"a"'],
      (value) => answers(200, { "If-None-Match": value }),
    ),
    "several lines of If-None-Match are one list": answers(304, {
      "If-None-Match": ['"x"', '"a"'],
    }),
    "an ETag may hold a comma": answers(
      304,
      { "If-None-Match": '"x", "a, b"' },
      { ETag: '"a, b"' },
    ),
    "a part of an ETag with a comma is another": answers(
      200,
      { "If-None-Match": '"a", "b"' },
      { ETag: '"a, b"' },
    ),
    "an empty If-None-Match names none": answers(200, { "If-None-Match": "" }),
  }),
];

const obsolete = {
  rfc850: "Thursday, 01-Jan-26 00:00:00 GMT",
  asctime: "Thu Jan  1 00:00:00 2026",
};

const TIMES: Case[] = [
  ...cases("RFC 9110 §13.1.3", "SHOULD", {
    "If-Modified-Since equal to Last-Modified is answered 304": answers(304, {
      "If-Modified-Since": MODIFIED,
    }),
    "If-Modified-Since after Last-Modified is answered 304": answers(304, {
      "If-Modified-Since": LATER,
    }),
  }),
  ...cases("RFC 9110 §13.1.3", "MUST", {
    "If-Modified-Since before Last-Modified is answered in full": answers(200, {
      "If-Modified-Since": EARLIER,
    }),
    "If-Modified-Since is ignored beside If-None-Match: no match": answers(200, {
      "If-None-Match": '"b"',
      "If-Modified-Since": LATER,
    }),
    "If-Modified-Since is ignored beside If-None-Match: match": answers(304, {
      "If-None-Match": '"a"',
      "If-Modified-Since": EARLIER,
    }),
    "If-Modified-Since is ignored beside an If-None-Match where the entry has no ETag": answers(
      200,
      { "If-None-Match": '"b"', "If-Modified-Since": LATER },
      { "Last-Modified": MODIFIED },
    ),
    ...each(
      "an invalid If-Modified-Since is ignored",
      ["nonsense", "0", "", "2027-01-01", `${LATER}, ${LATER}`, "1893456000"],
      (value) => answers(200, { "If-Modified-Since": value }),
    ),
  }),
  ...cases("RFC 9110 §5.6.7", "MUST", {
    "If-Modified-Since in RFC 850's form is read": answers(304, {
      "If-Modified-Since": obsolete.rfc850,
    }),
    "If-Modified-Since in asctime's form is read": answers(304, {
      "If-Modified-Since": obsolete.asctime,
    }),
  }),
  ...cases("RFC 9111 §4.3.2", "SHOULD", {
    "without Last-Modified, If-Modified-Since is held against Date": async (world) => {
      world.answers(cc("max-age=60"));
      const { date } = (await world.ask()).headers;
      world.pass(5);
      const statuses: number[] = [];
      for (const since of [date, world.date(), world.date(-60)]) {
        statuses.push((await world.ask({ "If-Modified-Since": since })).status);
      }
      equal(statuses, [304, 304, 200]);
      equal(world.seen.length, 1);
    },
  }),
];

const LIMITS: Case[] = [
  ...cases("RFC 9110 §13.2.1", "MUST", {
    ...forEach(
      [301, 404, 405, 410],
      (status) => `conditions are ignored for a stored ${status}`,
      (status) =>
        answers(status, { "If-None-Match": '"a"', "If-Modified-Since": LATER }, STORED, { status }),
    ),
  }),
  ...cases("RFC 9111 §4.3.2", "MUST NOT", {
    "If-Match is not evaluated by the cache": hit(
      cc("max-age=60", STORED),
      { second: { "If-Match": '"b"' } },
      (two) => equal(two.status, 200),
    ),
    "If-Unmodified-Since is not evaluated by the cache": hit(
      cc("max-age=60", STORED),
      { second: { "If-Unmodified-Since": EARLIER } },
      (two) => equal(two.status, 200),
    ),
    "conditions are not evaluated where nothing is stored": async (world) => {
      world.answers(cc("max-age=60", STORED));
      const reply = await world.ask({ "If-None-Match": '"b"', "If-Match": '"b"' });
      equal([reply.status, reply.body], [200, "#1"]);
    },
  }),
  ...cases("RFC 9111 §4.3.2", "API", {
    "an entry without an ETag gets one from the cache": hit(
      cc("max-age=60"),
      {},
      async (two, _, world) => {
        equal(/^(W\/)?"[!#-~]+"$/.test(String(two.headers.etag)), true);
        equal((await world.ask({ "If-None-Match": two.headers.etag })).status, 304);
      },
    ),
    "a condition on a miss does not keep the answer from being stored": async (world) => {
      world.answers(({ headers }) =>
        headers["if-none-match"] === undefined ? cc("max-age=60", STORED) : { status: 304 },
      );
      await world.ask({ "If-None-Match": '"a"' });
      const reply = await world.ask();
      equal([reply.status, reply.body, reply.isForwarded], [200, "#1", false]);
    },
  }),
];

/** The handler validates against what it hears, as Express does. */
const validating =
  (etag: string): Parameters<World["answers"]>[0] =>
  ({ headers }) =>
    (headers["if-none-match"] ?? "").includes(etag)
      ? { status: 304, fields: { "Cache-Control": "max-age=10", ETag: etag } }
      : cc("max-age=10", { ETag: etag });

const VALIDATED: Case[] = [
  ...cases("RFC 9111 §4.3.2", "MUST", {
    "a 304 with an ETag that the client has not named is a 200 for it": async (world) => {
      world.answers(validating('"a"'));
      await world.ask();
      world.pass(11);
      const reply = await world.ask({ "If-None-Match": '"b"' });
      equal([reply.status, reply.body], [200, "#1"]);
    },
  }),
  ...cases("RFC 9111 §4.3.2", "API", {
    "a 304 with an ETag that the client has named is a 304 for it": async (world) => {
      world.answers(validating('"a"'));
      await world.ask();
      world.pass(11);
      const reply = await world.ask({ "If-None-Match": '"a"' });
      equal([reply.status, reply.body, reply.isForwarded], [304, "", true]);
      equal((await world.ask()).body, "#1");
    },
    "a 304 for a client that asks by date alone is a 304 for it": async (world) => {
      const stored = cc("max-age=10", { ETag: '"a"', "Last-Modified": MODIFIED });
      world.answers(stored, { ...stored, status: 304 });
      await world.ask();
      world.pass(11);
      equal((await world.ask({ "If-Modified-Since": MODIFIED })).status, 304);
    },
  }),
];

/** Cases of `RFC 9111 §4.3.2` and `RFC 9110 §13`. */
export const CONDITIONAL: readonly Case[] = [...TAGS, ...TIMES, ...LIMITS, ...VALIDATED];
