/** The fields of a 304 out of the store (RFC 9110, sections 8.6 and 15.4.5). */
import { deepStrictEqual as equal } from "node:assert";
import type { Fields } from "../../support/http-cache.ts";
import { type Case, cases, cc, forEach, hit } from "./case.ts";

const EXPIRES = "Fri, 01 Jan 2100 00:00:00 GMT";

const ALL: Fields = {
  ETag: '"a"',
  "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
  "Content-Location": "/there",
  Vary: "X-Lang",
  Expires: EXPIRES,
  "Content-Language": "de",
};

/** Cases of `RFC 9110 §15.4.5`. */
export const NOT_MODIFIED: readonly Case[] = [
  ...cases("RFC 9110 §15.4.5", "MUST", {
    ...forEach(
      Object.entries({
        etag: '"a"',
        "content-location": "/there",
        vary: "X-Lang",
        expires: EXPIRES,
        "cache-control": "max-age=60",
      }),
      ([name]) => `a 304 has ${name}`,
      ([name, value]) =>
        hit(cc("max-age=60", ALL), { second: { "If-None-Match": '"a"' } }, (two) =>
          equal([two.status, two.headers[name]], [304, value]),
        ),
    ),
    "a 304 has the stored Date": hit(
      cc("max-age=60", ALL),
      { after: 9, second: { "If-None-Match": '"a"' } },
      (two, one) => equal([two.status, two.headers.date], [304, one.headers.date]),
    ),
  }),
  ...cases("RFC 9110 §15.4.5", "SHOULD NOT", {
    ...forEach(
      ["content-type", "content-language"],
      (name) => `a 304 has no ${name}`,
      (name) =>
        hit(cc("max-age=60", ALL), { second: { "If-None-Match": '"a"' } }, (two) =>
          equal([two.status, two.headers[name]], [304, undefined]),
        ),
    ),
  }),
  ...cases("RFC 9110 §8.6", "MUST NOT", {
    "a 304 has no Content-Length but that of the 200": hit(
      cc("max-age=60", ALL),
      { second: { "If-None-Match": '"a"' } },
      (two) => equal(["2", undefined].includes(two.headers["content-length"]), true),
    ),
  }),
];
