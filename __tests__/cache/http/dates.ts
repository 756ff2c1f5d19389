/** How dates are read: Expires, Date and their forms (RFC 9111, sections 4.2 and 5.3; RFC 9110, section 5.6.7). */
import type { Answer, World } from "../../support/http-cache.ts";
import { type Case, cases, each, forwards, reuses } from "./case.ts";

type ByClock = (world: World) => Answer;

const expiring =
  (seconds: number, more: Answer["fields"] = {}): ByClock =>
  (world) => ({ fields: { Expires: world.date(seconds), ...more } });

/** The two obsolete forms of an HTTP-date. */
function rfc850(date: string): string {
  const [day, dd, month, year, time] = date.replace(",", "").split(" ");
  const names: Record<string, string> = {
    Mon: "Monday",
    Tue: "Tuesday",
    Wed: "Wednesday",
    Thu: "Thursday",
    Fri: "Friday",
    Sat: "Saturday",
    Sun: "Sunday",
  };
  return `${names[day!]}, ${dd}-${month}-${year!.slice(2)} ${time} GMT`;
}

function asctime(date: string): string {
  const [day, dd, month, year, time] = date.replace(",", "").split(" ");
  return `${day} ${month} ${String(Number(dd)).padStart(2)} ${time} ${year}`;
}

const dated =
  (spell: (date: string) => string, seconds = 600): ByClock =>
  (world) => ({ fields: { Expires: spell(world.date(seconds)) } });

const INVALID = [
  "0",
  "-1",
  "",
  "never",
  "600",
  "Thu, 99 Foo 2099 00:00:00 GMT",
  "2099-01-01T00:00:00Z",
];

/** Cases of `RFC 9111 §5.3` and of dates. */
export const DATES: readonly Case[] = [
  ...cases("RFC 9111 §5.3", "MUST", {
    ...each("is in the past: Expires", INVALID, (value) =>
      forwards({ fields: { Expires: value } }),
    ),
    "an invalid Expires is explicit: no heuristic saves it": forwards((world) => ({
      fields: { Expires: "0", "Last-Modified": world.date(-864_000) },
    })),
  }),
  ...cases("RFC 9111 §5.3", "MUST NOT", {
    "an Expires in the past is not reused": forwards(expiring(-1)),
    "an Expires equal to Date is not reused": forwards(expiring(0)),
  }),
  ...cases("RFC 9110 §5.6.7", "MUST", {
    "Expires in RFC 850's form is read": reuses(dated(rfc850), { after: 599 }),
    "Expires in RFC 850's form is not outlived": forwards(dated(rfc850), { after: 601 }),
    "Expires in asctime's form is read": reuses(dated(asctime), { after: 599 }),
    "Expires in asctime's form is in no local time": forwards(dated(asctime), { after: 601 }),
    "a year of two digits more than 50 years ahead is past": forwards(
      dated(rfc850, 60 * 365.25 * 86_400),
    ),
  }),
  ...cases("RFC 9111 §4.2", "SHOULD", {
    "the case of an Expires does not count": reuses(
      dated((date) => date.toLowerCase()),
      { after: 599 },
    ),
    ...each("a zone that is not GMT is invalid", ["EST", "PDT", "UTC", "+0000"], (zone) =>
      forwards(dated((date) => date.replace("GMT", zone), 864_000)),
    ),
  }),
  ...cases("RFC 9111 §4.2.1", "MUST", {
    "Expires counts from Date, not from the cache's clock: Date behind": forwards((world) => ({
      fields: { Date: world.date(-1000), Expires: world.date(-400) },
    })),
    "Expires counts from Date, not from the cache's clock: Date ahead": forwards(
      (world) => ({ fields: { Date: world.date(1000), Expires: world.date(1060) } }),
      { after: 61 },
    ),
    "Expires before a Date that is ahead is past": forwards((world) => ({
      fields: { Date: world.date(1000), Expires: world.date(900) },
    })),
    "without Date, Expires counts from when the response came": reuses(
      expiring(60, { Date: undefined }),
      { after: 59 },
    ),
    "without Date, Expires is not outlived": forwards(expiring(60, { Date: undefined }), {
      after: 61,
    }),
  }),
  ...cases("RFC 9110 §6.6.1", "MAY", {
    "an invalid Date is replaced by when the response came": reuses(
      expiring(60, { Date: "yesterday" }),
      { after: 59 },
    ),
  }),
];
