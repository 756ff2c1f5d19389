/** Requests with Authorization (RFC 9111, section 3.5), where the cache's scope lets them in. */
import { deepStrictEqual as equal } from "node:assert";
import { type Case, cases, cc, each, forwards, reuses } from "./case.ts";

const ANN = { Authorization: "Bearer ann" };
const BOB = { Authorization: "Bearer bob" };

/** Cases of `RFC 9111 §3.5`. */
export const AUTHORIZATION: readonly Case[] = [
  ...cases(
    "RFC 9111 §3.5",
    "MUST NOT",
    {
      "max-age alone does not share what was said to a request with Authorization": forwards(
        cc("max-age=60"),
        { first: ANN, second: BOB },
      ),
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §3.5", "MUST NOT", {
    "nor for a request without": forwards(cc("max-age=60"), { first: ANN, second: {} }),
    "nor for the same Authorization": forwards(cc("max-age=60"), { first: ANN }),
    "Expires alone does not share it": forwards(
      (world) => ({ fields: { Expires: world.date(60) } }),
      { first: ANN },
    ),
    "a heuristic does not share it": forwards(
      (world) => ({ fields: { "Last-Modified": world.date(-864_000) } }),
      { first: ANN },
    ),
    ...each(
      "is not shared under",
      ["max-age=60, immutable", "max-age=60, proxy-revalidate", 'max-age=60, ext="public"'],
      (value) => forwards(cc(value), { first: ANN }),
    ),
    "must-revalidate is kept for what it shares": forwards(
      cc("max-age=60, must-revalidate, stale-while-revalidate=60"),
      { after: 61, first: ANN },
    ),
    "s-maxage is kept for what it shares": forwards(
      cc("max-age=600, s-maxage=60, stale-while-revalidate=60"),
      { after: 61, first: ANN },
    ),
    "Vary: Authorization tells users apart": forwards(
      cc("public, max-age=60", { Vary: "Authorization" }),
      { first: ANN, second: BOB },
    ),
  }),
  ...cases("RFC 9111 §3.5", "API", {
    ...each(
      "is shared under",
      ["public, max-age=60", "max-age=60, must-revalidate", "s-maxage=60", "PUBLIC, max-age=60"],
      (value) => reuses(cc(value), { after: 59, first: ANN, second: BOB }),
    ),
    "what was said to a request without is for requests with it": reuses(cc("max-age=60"), {
      first: {},
      second: ANN,
    }),
    "what was said without Authorization stays for those with and without": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask();
      await world.ask(ANN);
      equal((await world.ask()).body, "#1");
    },
  }),
];
