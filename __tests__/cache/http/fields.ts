/** Which header fields an entry keeps, and which it must not (RFC 9111, section 3.1; RFC 9110, section 7.6.1). */
import { deepStrictEqual as equal, notDeepStrictEqual as notEqual } from "node:assert";
import type { Fields } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, hit, second, forEach } from "./case.ts";

const KEPT: Fields = {
  "X-Unknown": "some thing",
  "X-Empty": "",
  "Content-Type": "text/html; charset=utf-8",
  "Content-Language": "de, en",
  "Content-Location": "/elsewhere",
  "Content-Disposition": 'attachment; filename="a, b.txt"',
  "Content-Security-Policy": "default-src 'self'; img-src *",
  "Access-Control-Allow-Origin": "*",
  "Cache-Control": "max-age=60",
  ETag: '"a"',
  "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
  Expires: "Thu, 01 Jan 2026 00:00:00 GMT",
  Link: "</a>; rel=next, </b>; rel=prev",
  "Retry-After": "120",
  Warning: '299 - "be, ware"',
  Pragma: "x",
  Server: "me/1",
  Via: "1.1 other",
};

const EXTENDED: Case[] = [
  ...cases("RFC 9111 §3.1", "MUST", {
    ...forEach(
      Object.entries(KEPT),
      ([name]) => `a hit has ${name}`,
      ([name, value]) =>
        hit({ fields: { "Cache-Control": "max-age=60", [name]: value } }, {}, (two) =>
          equal(two.headers[name.toLowerCase()], value),
        ),
    ),
    "a hit has all lines of a repeated field": hit(
      cc("max-age=60", { "X-Many": ["a", "b, c"] }),
      {},
      (two, one) => {
        equal(two.headers["x-many"], "a, b, c");
        equal(one.headers["x-many"], "a, b, c");
      },
    ),
    "a hit has the Content-Encoding that the bytes have": second(
      cc("max-age=60", { "Content-Encoding": "x-rot13" }),
      {},
      (two) => equal(two.headers["content-encoding"], "x-rot13"),
    ),
  }),
  ...cases("RFC 9110 §8.6", "MUST NOT", {
    "a hit has no Content-Length but that of its body": hit(
      { ...cc("max-age=60"), body: "äöü" },
      {},
      (two) => equal([two.body, two.headers["content-length"]], ["äöü", "6"]),
    ),
    "a hit with 204 has no Content-Length": hit(cc("max-age=60", {}, 204), {}, (two) =>
      equal([two.status, two.headers["content-length"]], [204, undefined]),
    ),
  }),
];

const HOPS = {
  "Keep-Alive": "timeout=99",
  "Proxy-Connection": "keep-alive",
  TE: "trailers",
  Upgrade: "h2c",
};

const PROXY = {
  "Proxy-Authenticate": "Basic",
  "Proxy-Authentication-Info": "nextnonce=1",
  "Proxy-Authorization": "Basic YTpi",
};

const without = (fields: Fields, name: string): Case["run"] =>
  hit(cc("max-age=60", fields), {}, (two) =>
    equal([two.body, two.headers[name.toLowerCase()]], ["#1", undefined]),
  );

const CONNECTION: Case[] = [
  ...cases("RFC 9110 §7.6.1", "MUST", {
    ...each(
      "a field that Connection names is not in a hit",
      ["X-Hop", "x-hop", "close, X-Hop", "x-other , X-HOP", ",, x-hop"],
      (value) => without({ Connection: value, "X-Hop": "1" }, "X-Hop"),
    ),
    "a field that a second Connection line names is not in a hit": without(
      { Connection: ["x-other", "x-hop"], "X-Hop": "1" },
      "X-Hop",
    ),
    "Connection itself is the hit's own": hit(
      cc("max-age=60", { Connection: "x-hop" }),
      {},
      (two) => equal(String(two.headers.connection).includes("x-hop"), false),
    ),
    "fields that Connection does not name stay": hit(
      cc("max-age=60", { Connection: "x-hop", "X-Hop": "1", "X-Hops": "2" }),
      {},
      (two) => equal(two.headers["x-hops"], "2"),
    ),
  }),
  ...cases("RFC 9110 §7.6.1", "SHOULD", {
    ...forEach(
      Object.entries(HOPS),
      ([name]) => `${name} is not in a hit`,
      ([name, value]) =>
        hit(cc("max-age=60", { [name]: value }), {}, (two) =>
          notEqual(two.headers[name.toLowerCase()], value),
        ),
    ),
  }),
  ...cases("RFC 9111 §3.1", "MUST NOT", {
    ...forEach(
      Object.entries(PROXY),
      ([name]) => `${name} is not stored`,
      ([name, value]) => without({ [name]: value }, name),
    ),
    "a trailer field does not become a header field": hit(
      {
        fields: { "Cache-Control": "max-age=60", Trailer: "X-Late" },
        end: (response) => {
          response.write("#");
          response.addTrailers({ "X-Late": "1" });
          response.end("1");
        },
      },
      {},
      (two) => equal([two.body, two.headers["x-late"]], ["#1", undefined]),
    ),
  }),
];

const COOKIES: Case[] = [
  ...cases("RFC 9111 §7.3", "API", {
    ...each(
      "no client gets another's Set-Cookie under",
      ["max-age=60", "public, max-age=60", "s-maxage=60"],
      (value) =>
        second(cc(value, { "Set-Cookie": "id=1" }), {}, (two) =>
          equal(two.isForwarded || two.headers["set-cookie"] === undefined, true),
        ),
    ),
  }),
];

/** Cases of `RFC 9111 §3.1` and `RFC 9110 §7.6.1`. */
export const FIELDS: readonly Case[] = [...EXTENDED, ...CONNECTION, ...COOKIES];
