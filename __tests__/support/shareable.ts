/** Responses that say how long they are fresh: which of them a shared cache may give to somebody else. */
import type { RequestHandler } from "express";
import onHeaders from "on-headers";
import type { PageParts } from "./told-page.ts";

/** Header fields. */
export type Headers = Record<string, string>;

/** Sets a cookie for whoever asks, when the header leaves. */
export const lateCookie: RequestHandler = (req, res, next) => {
  const person = req.get("X-Person")!;
  onHeaders(res, () => res.setHeader("Set-Cookie", `late-${person}=1`));
  next();
};

/** What alicia's response and request say, and what robert's request says; robert may not get it. */
export const HERS: readonly [string, Headers, Headers?, Headers?, Partial<PageParts>?][] = [
  ["private", { "Cache-Control": "private, max-age=60" }],
  ["private in capitals", { "Cache-Control": "max-age=60, PRIVATE" }],
  ["private and public", { "Cache-Control": "public, private, max-age=60" }],
  ["no-store", { "Cache-Control": "no-store, max-age=60" }],
  [
    "of a request that says no-store",
    { "Cache-Control": "max-age=60" },
    { "Cache-Control": "no-store" },
  ],
  ["with a cookie", { "Cache-Control": "public, max-age=60", "Set-Cookie": "a=1" }],
  [
    "with a cookie of a middleware before the cache",
    { "Cache-Control": "public, max-age=60" },
    {},
    {},
    { before: [lateCookie] },
  ],
  [
    "with a cookie of a middleware after the cache",
    { "Cache-Control": "public, max-age=60" },
    {},
    {},
    { after: [lateCookie] },
  ],
  [
    "of a request with Authorization",
    { "Cache-Control": "max-age=60" },
    { Authorization: "Bearer alicia" },
  ],
  [
    "of a request with Authorization, asked for by another one",
    { "Cache-Control": "max-age=60" },
    { Authorization: "Bearer alicia" },
    { Authorization: "Bearer robert" },
  ],
  [
    "of a request with Authorization, that has an Expires",
    { Expires: new Date(Date.now() + 1e6).toUTCString() },
    { Authorization: "Bearer alicia" },
  ],
  ["that varies by everything", { "Cache-Control": "public, max-age=60", Vary: "*" }],
  ["that varies by the person", { "Cache-Control": "public, max-age=60", Vary: "X-Person" }],
  [
    "that varies by cookies",
    { "Cache-Control": "public, max-age=60", Vary: "Cookie" },
    { Cookie: "sid=alicia" },
    { Cookie: "sid=robert" },
  ],
  [
    "that varies by cookies, where there is none",
    { "Cache-Control": "public, max-age=60", Vary: "accept-encoding, COOKIE" },
    { Cookie: "sid=alicia" },
  ],
  [
    "that varies by Authorization",
    { "Cache-Control": "public, max-age=60", Vary: "Authorization" },
    { Authorization: "Bearer alicia" },
    { Authorization: "Bearer robert" },
  ],
  [
    "that varies by Origin",
    { "Cache-Control": "public, max-age=60", Vary: "Origin" },
    { Origin: "https://alicia.test" },
    { Origin: "https://robert.test" },
  ],
  ["that is to be validated", { "Cache-Control": "no-cache, max-age=60" }],
  ["without a word of freshness", {}],
  ["that was stale when it was made", { "Cache-Control": "max-age=0" }],
  ["that has expired", { Expires: "0" }],
];

/** As above, where robert gets it: else the tests above could pass by sharing nothing. */
export const OURS: readonly [string, Headers, Headers?, Headers?][] = [
  ["public", { "Cache-Control": "public, max-age=60" }],
  ["with max-age", { "Cache-Control": "max-age=60" }],
  ["with Expires", { Expires: new Date(Date.now() + 1e6).toUTCString() }],
  [
    "of a request with Authorization, and public",
    { "Cache-Control": "public, max-age=60" },
    { Authorization: "Bearer alicia" },
  ],
  [
    "of a request with Authorization, and s-maxage",
    { "Cache-Control": "s-maxage=60" },
    { Authorization: "Bearer alicia" },
    { Authorization: "Bearer robert" },
  ],
  [
    "of a request with Authorization, and must-revalidate",
    { "Cache-Control": "max-age=60, must-revalidate" },
    { Authorization: "Bearer alicia" },
  ],
  [
    "that varies by what is the same",
    { "Cache-Control": "max-age=60", Vary: "Cookie" },
    { Cookie: "theme=dark" },
    { Cookie: "theme=dark" },
  ],
];
