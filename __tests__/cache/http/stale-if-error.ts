/** Stale responses in place of errors, and the options for what has no directive (RFC 5861, section 4). */
import { deepStrictEqual as equal } from "node:assert";
import type { Script, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, each, forEach, later } from "./case.ts";
import { broken, FORBIDDING, THROWS } from "./stale-answers.ts";

const SIE = "max-age=10, stale-if-error=20";

const ERROR: Case[] = [
  ...cases("RFC 5861 §4", "API", {
    ...forEach(
      [500, 502, 503, 504],
      (status) => `a ${status} is answered with the stale response`,
      (status) => async (world: World) => {
        const reply = await later(world, cc(SIE), 29, broken(status));
        equal([reply.status, reply.body, reply.headers.age], [200, "#1", "29"]);
      },
    ),
    "a handler that throws is answered for with the stale response": async (world) => {
      const reply = await later(world, cc(SIE), 29, THROWS);
      equal([reply.status, reply.body], [200, "#1"]);
    },
    "an error while validating is answered with the stale response": async (world) => {
      const reply = await later(world, cc(SIE, { ETag: '"a"' }), 29, broken(503));
      equal([reply.status, reply.body, reply.headers.etag], [200, "#1", '"a"']);
    },
    "the error's fields do not come along": async (world) => {
      const error = { ...broken(503), fields: { "Retry-After": "9", "X-Error": "1" } };
      const reply = await later(world, cc(SIE), 15, error);
      equal(
        [reply.status, reply.headers["x-error"], reply.headers["retry-after"]],
        [200, undefined, undefined],
      );
    },
    "after an error the next request asks the handler again": async (world) => {
      world.answers(cc(SIE), broken(503), cc("max-age=10"));
      await world.ask();
      world.pass(15);
      equal((await world.ask()).body, "#1");
      equal((await world.ask()).body, "#3");
    },
    "stale-while-revalidate's time over, stale-if-error's still runs": async (world) => {
      const value = "max-age=10, stale-while-revalidate=5, stale-if-error=60";
      const reply = await later(world, cc(value), 20, broken(503));
      equal([reply.status, reply.body], [200, "#1"]);
    },
  }),
  ...cases("RFC 5861 §4", "SHOULD NOT", {
    "after the time, the error is the client's": async (world) => {
      const reply = await later(world, cc(SIE), 31, broken(503));
      equal([reply.status, reply.body], [503, "broken"]);
    },
    ...forEach(
      [400, 404, 429, 501],
      (status) => `a ${status} is no error in this sense`,
      (status) => async (world: World) => {
        const reply = await later(world, cc(SIE), 15, broken(status));
        equal([reply.status, reply.body], [status, "broken"]);
      },
    ),
    "a fresh answer goes before the stale one": async (world) => {
      equal((await later(world, cc(SIE), 15)).body, "#2");
    },
  }),
  ...cases("RFC 9111 §5.2.2.2", "MUST NOT", {
    ...each("stale-if-error does not reach over", FORBIDDING, (value) => async (world) => {
      const reply = await later(world, cc(`${value}, stale-if-error=60`), 15, broken(503));
      equal([reply.status, reply.body], [503, "broken"]);
    }),
    "stale-if-error does not reach over no-cache": async (world) => {
      const first = cc("no-cache, max-age=10, stale-if-error=60");
      equal((await later(world, first, 5, broken(503))).status, 503);
    },
  }),
  ...cases(
    "RFC 5861 §4",
    "MAY",
    {
      "a request's stale-if-error is kept": async (world) => {
        const request = { "Cache-Control": "stale-if-error=20" };
        const first = cc("max-age=10", { ETag: '"a"' });
        const reply = await later(world, first, 15, broken(503), request);
        equal([reply.status, reply.body], [200, "#1"]);
      },
    },
    { deviation: "requests are not asked for it" },
  ),
];

const gets =
  (value: string, seconds: number, body: string, then: Script = {}): Case["run"] =>
  async (world) => {
    equal((await later(world, cc(value), seconds, then)).body, body);
  };

const OPTIONS: Case[] = [
  ...cases(
    "RFC 9111 §4.2.4",
    "API",
    {
      "stale: '20s' serves what has no directive of its own": gets("max-age=10", 29, "#1"),
      "stale: '20s' ends": gets("max-age=10", 31, "#2"),
      "stale: '20s' gives way to a shorter stale-while-revalidate": gets(
        "max-age=10, stale-while-revalidate=5",
        16,
        "#2",
      ),
      "stale: '20s' gives way to a longer stale-while-revalidate": gets(
        "max-age=10, stale-while-revalidate=60",
        60,
        "#1",
      ),
      "stale: '20s' gives way to stale-while-revalidate=0": gets(
        "max-age=10, stale-while-revalidate=0",
        11,
        "#2",
      ),
    },
    { options: { stale: "20s" } },
  ),
  ...cases(
    "RFC 9111 §4.2.4",
    "API",
    {
      "staleIfError: '20s' serves what has no directive of its own": gets(
        "max-age=10",
        29,
        "#1",
        broken(503),
      ),
      "staleIfError: '20s' ends": gets("max-age=10", 31, "broken", broken(503)),
      "staleIfError: '20s' gives way to stale-if-error=0": gets(
        "max-age=10, stale-if-error=0",
        11,
        "broken",
        broken(503),
      ),
    },
    { options: { staleIfError: "20s" } },
  ),
  ...cases(
    "RFC 9111 §4.2.4",
    "MUST NOT",
    {
      ...each("neither option reaches over", FORBIDDING, (value) =>
        gets(value, 15, "broken", broken(503)),
      ),
    },
    { options: { stale: "20s", staleIfError: "20s" } },
  ),
];

/** Cases of `RFC 5861 §4`. */
export const STALE_IF_ERROR: readonly Case[] = [...ERROR, ...OPTIONS];
