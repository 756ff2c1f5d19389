/** HEAD beside GET (RFC 9111, sections 3, 4 and 4.3.5; RFC 9110, sections 8.6 and 9.3.2). */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, Fields, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, hit } from "./case.ts";

const HEAD = { method: "HEAD" } as const;

/** A GET is stored, a HEAD passes it, a GET follows: whether it is forwarded. */
async function around(
  world: World,
  stored: Fields,
  head: Answer,
  { isStale = false }: { isStale?: boolean } = {},
): Promise<boolean> {
  world.answers(cc("max-age=10", stored), head, {});
  await world.ask();
  if (isStale) world.pass(11);
  // End-to-end (RFC 9111, section 5.2.1.4): the HEAD reaches the handler.
  await world.ask(isStale ? {} : { "Cache-Control": "no-cache" }, HEAD);
  equal(world.seen.at(-1)!.method, "HEAD");
  await world.forwarded(2);
  return (await world.ask()).isForwarded;
}

const STORED = { ETag: '"a"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT" };

/** Cases of `HEAD`. */
export const HEADS: readonly Case[] = [
  ...cases(
    "RFC 9111 §3",
    "MUST NOT",
    {
      "the answer to a HEAD is not stored for a GET": async (world) => {
        world.answers(cc("max-age=60", { ETag: '"a"' }));
        await world.ask({}, HEAD);
        const { isForwarded, body } = await world.ask();
        equal([isForwarded, body], [true, "#2"]);
      },
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.3.5", "MUST NOT", {
    "a HEAD takes nothing from a GET's body": async (world) => {
      world.answers(cc("max-age=60"), cc("max-age=60"));
      await world.ask();
      await world.ask({ "Cache-Control": "no-cache" }, HEAD);
      const { body } = await world.ask();
      equal(["#1", "#3"].includes(body), true);
    },
  }),
  ...cases("RFC 9111 §4", "API", {
    "a HEAD is answered from a GET's entry": hit(cc("max-age=60"), HEAD, (two) =>
      equal([two.status, two.body], [200, ""]),
    ),
    "a HEAD is answered from a stored 404": hit(cc("max-age=60", {}, 404), HEAD, (two) =>
      equal([two.status, two.body], [404, ""]),
    ),
    "a HEAD with the ETag is answered 304": hit(
      cc("max-age=60", { ETag: '"a"' }),
      { ...HEAD, second: { "If-None-Match": '"a"' } },
      (two) => equal(two.status, 304),
    ),
  }),
  ...cases("RFC 9110 §9.3.2", "SHOULD", {
    "a HEAD from the store has the fields of the GET": async (world) => {
      world.answers(cc("max-age=60", { ...STORED, "X-Unknown": "1", "Content-Language": "de" }));
      await world.ask();
      const { connection: _a, ...get } = (await world.ask()).headers;
      const { connection: _b, ...head } = (await world.ask({}, HEAD)).headers;
      equal(head, get);
      equal(world.seen.length, 1);
    },
  }),
  ...cases("RFC 9110 §8.6", "MUST NOT", {
    "a HEAD has no Content-Length but that of the GET": hit(cc("max-age=60"), HEAD, (two) =>
      equal(["2", undefined].includes(two.headers["content-length"]), true),
    ),
  }),
  ...cases("RFC 9111 §4.2", "MUST NOT", {
    "a HEAD is not answered from a stale entry": async (world) => {
      world.answers(cc("max-age=10"));
      await world.ask();
      world.pass(11);
      equal((await world.ask({}, HEAD)).isForwarded, true);
    },
  }),
  ...cases("RFC 9111 §4.3.5", "SHOULD", {
    "a HEAD with the entry's validators updates the entry": async (world) => {
      const head = cc("max-age=60", STORED);
      equal(await around(world, STORED, head, { isStale: true }), false);
    },
    "a HEAD's fields are the entry's from then on": async (world) => {
      await around(world, STORED, cc("max-age=60", { ...STORED, "X-New": "1" }));
      equal((await world.ask()).headers["x-new"], "1");
    },
    "a HEAD with another ETag makes the entry stale": async (world) => {
      equal(await around(world, STORED, cc("max-age=60", { ...STORED, ETag: '"b"' })), true);
    },
    "a HEAD with another Last-Modified makes the entry stale": async (world) => {
      const date = "Fri, 02 Jan 2026 00:00:00 GMT";
      const head = cc("max-age=60", { ...STORED, "Last-Modified": date });
      equal(await around(world, STORED, head), true);
    },
    "a HEAD with another Content-Length makes the entry stale": async (world) => {
      const head = cc("max-age=60", { ...STORED, "Content-Length": "3" });
      equal(await around(world, STORED, { ...head, body: "abc" }), true);
    },
  }),
];
