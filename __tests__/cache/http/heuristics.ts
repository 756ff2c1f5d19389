/** Freshness where the response names none (RFC 9111, section 4.2.2). */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, World } from "../../support/http-cache.ts";
import { type Case, cases, forwards, hit, reuses, forEach } from "./case.ts";

const modified =
  (ago: number, fields: Answer["fields"] = {}, status = 200): ((world: World) => Answer) =>
  (world) => ({ status, fields: { "Last-Modified": world.date(-ago), ...fields } });

const DAY = 86_400;

/** Cases of `RFC 9111 §4.2.2`. */
export const HEURISTICS: readonly Case[] = [
  ...cases("RFC 9111 §4.2.2", "MUST NOT", {
    "no heuristic beside max-age=0": forwards(
      modified(100 * DAY, { "Cache-Control": "max-age=0" }),
    ),
    "no heuristic beside an elapsed max-age": forwards(
      modified(100 * DAY, { "Cache-Control": "max-age=60" }),
      { after: 61 },
    ),
    "no heuristic beside an elapsed s-maxage": forwards(
      modified(100 * DAY, { "Cache-Control": "s-maxage=60" }),
      { after: 61 },
    ),
    "no heuristic beside an Expires in the past": forwards((world) => ({
      fields: { "Last-Modified": world.date(-100 * DAY), Expires: world.date(-1) },
    })),
    "no heuristic beside no-cache": forwards(modified(100 * DAY, { "Cache-Control": "no-cache" })),
  }),
  ...cases("RFC 9111 §4.2.2", "ought", {
    "a tenth of the age of Last-Modified, and no more": forwards(modified(1000), { after: 101 }),
    "of a Last-Modified that is ahead, nothing": forwards(modified(-1000)),
    "of an invalid Last-Modified, nothing": forwards({ fields: { "Last-Modified": "once" } }),
    "of an ETag alone, nothing": forwards({ fields: { ETag: '"a"' } }),
    "Last-Modified counts to Date": forwards((world) => ({
      fields: { "Last-Modified": world.date(-1000), Date: world.date(-900) },
    })),
  }),
  ...cases("RFC 9111 §4.2.2", "API", {
    "a tenth of the age of Last-Modified": reuses(modified(1000), { after: 99 }),
    "at most a day: used within": reuses(modified(1000 * DAY), { after: DAY - 60 }),
    "at most a day: not beyond": forwards(modified(1000 * DAY), { after: DAY + 60 }),
    ...forEach(
      [203, 204, 300, 301, 308, 404, 405, 410, 414, 501],
      (status) => `${status} is heuristically fresh`,
      (status) => reuses(modified(1000, {}, status), { after: 99 }),
    ),
  }),
  ...cases("RFC 9111 §4.2.2", "MAY", {
    "302 that is public is heuristically fresh": reuses(
      modified(1000, { "Cache-Control": "public" }, 302),
      { after: 99 },
    ),
  }),
  ...cases("RFC 9111 §5.5", "API", {
    "no Warning is generated for a heuristic of more than a day's age": hit(
      (world) => ({
        fields: { "Last-Modified": world.date(-1000 * DAY), Date: world.date(-DAY / 2) },
      }),
      { after: DAY / 4 },
      (two) => equal(two.headers.warning, undefined),
    ),
  }),
];
