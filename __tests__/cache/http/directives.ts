/** How Cache-Control is read, and what response directives forbid (RFC 9111, sections 5.2 and 5.2.2). */
import { deepStrictEqual as equal } from "node:assert";
import { type Case, cases, cc, each, forwards, hit, reuses, second } from "./case.ts";

const NO_STORE = [
  "no-store, max-age=60",
  "max-age=60, NO-STORE",
  "max-age=60, No-Store",
  "max-age=60,no-store",
  "max-age=60 \t,\t no-store",
  "no-store,,, max-age=60",
  ", no-store, max-age=60",
  "max-age=60, no-store,",
  'ext="a, b", no-store, max-age=60',
  'ext="a\\"b, c", no-store, max-age=60',
  'ext="a\\\\", no-store, max-age=60',
  "public, max-age=60, no-store",
];

const NOT_NO_STORE = [
  'max-age=60, ext="no-store"',
  'max-age=60, ext="a, no-store, b"',
  'max-age=60, ext="a\\", no-store, \\"b"',
  "max-age=60, ext=no-store",
  "max-age=60, no-stored",
  "max-age=60, x-no-store",
  'max-age=60, ext="private"',
];

const SPELLING: Case[] = [
  ...cases("RFC 9111 §5.2.2.5", "MUST NOT", {
    ...each("nothing is stored under", NO_STORE, (value) => forwards(cc(value))),
    "nothing is stored where a second field line has no-store": forwards(
      cc(["max-age=60", "no-store"]),
    ),
    "nothing is stored where the first of three field lines has no-store": forwards(
      cc(["no-store", "max-age=60", "public"]),
    ),
  }),
  ...cases("RFC 9111 §5.2.3", "MUST", {
    ...each("is no no-store or private", NOT_NO_STORE, (value) => reuses(cc(value))),
    ...each(
      "unknown directives are ignored",
      [
        "max-age=60, foo",
        "foo=1, max-age=60",
        'foo="max-age=0", max-age=60',
        "pre-check=0, max-age=60",
      ],
      (value) => reuses(cc(value), { after: 59 }),
    ),
    "immutable changes nothing for a fresh entry": reuses(cc("max-age=60, immutable"), {
      after: 59,
    }),
    "immutable does not make a stale entry fresh": forwards(cc("max-age=60, immutable"), {
      after: 61,
    }),
    "no-transform does not forbid to store": reuses(cc("max-age=60, no-transform")),
  }),
  ...cases("RFC 9111 §5.2", "MUST", {
    ...each("names are compared without case", ["MAX-AGE=60", "Max-Age=60"], (value) =>
      reuses(cc(value), { after: 59 }),
    ),
    ...each("names are compared without case, s-maxage too", ["S-MAXAGE=1, max-age=60"], (value) =>
      forwards(cc(value), { after: 30 }),
    ),
    "directives in several field lines are one list": reuses(cc(["public", "max-age=60"]), {
      after: 59,
    }),
    "all directives of the response reach the client, known or not": hit(
      cc("max-age=60, foo=bar, no-transform, immutable"),
      {},
      (two) => equal(two.headers["cache-control"], "max-age=60, foo=bar, no-transform, immutable"),
    ),
  }),
  ...cases("RFC 9111 §5.2", "ought", {
    "a number may be quoted": reuses(cc('max-age="60"'), { after: 59 }),
    "a quoted number counts as it says": forwards(cc('max-age="60"'), { after: 61 }),
    "s-maxage may be quoted": forwards(cc('max-age=60, s-maxage="1"'), { after: 30 }),
    "a directive without arguments may have one": forwards(cc('max-age=60, no-store="x"')),
  }),
];

const PRIVATE: Case[] = [
  ...cases(
    "RFC 9111 §5.2.2.7",
    "MUST NOT",
    { "private is not stored": forwards(cc("private, max-age=60")) },
    { isCore: true },
  ),
  ...cases("RFC 9111 §5.2.2.7", "MUST NOT", {
    ...each("is not stored", ["Private, max-age=60", "s-maxage=60, private"], (value) =>
      forwards(cc(value)),
    ),
    ...each(
      "the field it names is not stored",
      [
        'max-age=60, private="X-User"',
        'max-age=60, private="x-user"',
        'max-age=60, private="X-Other, X-User"',
        "max-age=60, private=X-User",
      ],
      (value) =>
        second(cc(value, { "X-User": "ann" }), { second: { "X-Mark": "2" } }, (two) =>
          equal(two.isForwarded || two.headers["x-user"] === undefined, true),
        ),
    ),
  }),
];

const NO_CACHE: Case[] = [
  ...cases(
    "RFC 9111 §5.2.2.4",
    "MUST NOT",
    { "no-cache is not used without validation": forwards(cc("no-cache, max-age=60")) },
    { isCore: true },
  ),
  ...cases("RFC 9111 §5.2.2.4", "MUST NOT", {
    ...each(
      "is not used without validation",
      ["NO-CACHE, max-age=60", "max-age=60, no-cache", "s-maxage=60, public, no-cache"],
      (value) => forwards(cc(value, { ETag: '"a"' })),
    ),
    ...each(
      "the field it names is not used without validation",
      [
        'max-age=60, no-cache="X-User"',
        'max-age=60, no-cache="x-user"',
        'max-age=60, no-cache="X-Other, X-User"',
        "max-age=60, no-cache=X-User",
      ],
      (value) =>
        second(cc(value, { "X-User": "ann" }), {}, (two) =>
          equal(two.isForwarded || two.headers["x-user"] === undefined, true),
        ),
    ),
  }),
];

const UNDERSTAND: Case[] = [
  ...cases("RFC 9111 §5.2.2.3", "SHOULD", {
    "no-store beside must-understand is ignored for a status that is understood": reuses(
      cc("must-understand, no-store, max-age=60"),
    ),
  }),
  ...cases("RFC 9111 §5.2.2.3", "MUST NOT", {
    "no-store beside must-understand holds for an unknown status": forwards(
      cc("must-understand, no-store, max-age=60", {}, 299),
    ),
  }),
];

const CONFLICTS: Case[] = [
  ...cases("RFC 9111 §4.2.1", "ought", {
    ...each(
      "the most restrictive of several wins",
      [
        "max-age=60, no-cache",
        "no-cache, max-age=60",
        "public, private, max-age=60",
        "immutable, max-age=60, no-store",
        "max-age=60, s-maxage=0",
      ],
      (value) => forwards(cc(value)),
    ),
  }),
  ...cases("RFC 9111 §5.4", "API", {
    "Pragma: no-cache in a response says nothing": reuses(cc("max-age=60", { Pragma: "no-cache" })),
  }),
  ...cases("RFC 9111 §3", "MUST NOT", {
    ...each(
      "nothing of these makes a response reusable",
      ["public", "must-revalidate", "proxy-revalidate", "immutable", "foo=60", "maxage=60"],
      (value) => forwards(cc(value)),
    ),
    "no field at all makes a response reusable": forwards({}),
  }),
];

/** Cases of `RFC 9111 §5.2`. */
export const DIRECTIVES: readonly Case[] = [
  ...SPELLING,
  ...PRIVATE,
  ...NO_CACHE,
  ...UNDERSTAND,
  ...CONFLICTS,
];
