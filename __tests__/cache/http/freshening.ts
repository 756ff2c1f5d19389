/** What a 304 of the handler changes in the entry (RFC 9111, sections 3.2 and 4.3.4). */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, Fields, Reply, World } from "../../support/http-cache.ts";
import { type Case, cases, forEach, later } from "./case.ts";

const MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT";

/** What stands in the store, stale after ten seconds. */
const STORED: Fields = {
  "Cache-Control": "max-age=10",
  ETag: '"a"',
  "Last-Modified": MODIFIED,
  "X-Old": "old",
  "X-Both": "old",
};

const notModified = (fields: Fields = {}): Answer => ({
  status: 304,
  fields: { "Cache-Control": "max-age=10", ETag: '"a"', ...fields },
});

/** The reply to the request that finds the entry stale, and the handler content with it. */
const validated = (world: World, then: Answer, stored: Fields = STORED): Promise<Reply> =>
  later(world, { fields: stored }, 11, [then, {}]);

/** After a 304 with these fields: the reply that it brought, and a hit afterwards. */
const freshened =
  (
    fields: Fields,
    claim: (reply: Reply, world: World) => void,
    stored: Fields = STORED,
  ): Case["run"] =>
  async (world) => {
    const reply = await validated(world, notModified(fields), stored);
    equal([reply.status, reply.body, reply.isForwarded], [200, "#1", true]);
    claim(reply, world);
    const after = await world.ask();
    equal([after.status, after.body, after.isForwarded], [200, "#1", false]);
    claim(after, world);
  };

const has =
  (name: string, value: string | undefined) =>
  ({ headers }: Reply): void =>
    equal(headers[name], value);

const UPDATED: Case[] = [
  ...cases(
    "RFC 9111 §4.3.4",
    "MUST",
    {
      "a 304 makes the entry fresh, and the client gets it whole": freshened(
        {},
        has("x-old", "old"),
      ),
      "a 304 replaces fields": freshened({ "X-Both": "new" }, has("x-both", "new")),
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.3.4", "MUST", {
    "a 304 whose ETag is weak, as the entry's, makes it fresh": freshened(
      { ETag: 'W/"a"' },
      has("etag", 'W/"a"'),
      { ...STORED, ETag: 'W/"a"' },
    ),
    "a 304 without an ETag makes an entry with Last-Modified alone fresh": freshened(
      { ETag: undefined, "Last-Modified": MODIFIED },
      has("x-old", "old"),
      { ...STORED, ETag: undefined },
    ),
  }),
  ...cases("RFC 9111 §3.2", "MUST", {
    "a 304 adds fields": freshened({ "X-New": "new" }, has("x-new", "new")),
    "a 304 takes away no field": freshened({}, has("x-both", "old")),
    "a 304 brings its Date": freshened({}, (reply, world) =>
      equal(reply.headers.date, world.date()),
    ),
    "a 304 brings its Cache-Control": freshened(
      { "Cache-Control": "max-age=20" },
      has("cache-control", "max-age=20"),
    ),
    "a 304 brings its Expires": freshened(
      { Expires: "Fri, 02 Jan 2026 00:00:00 GMT" },
      has("expires", "Fri, 02 Jan 2026 00:00:00 GMT"),
    ),
    "a 304 replaces all lines of a field": freshened(
      { "X-Both": ["1", "2"] },
      has("x-both", "1, 2"),
    ),
    "a 304 does not bring its Content-Length": freshened({ "Content-Length": "0" }, ({ headers }) =>
      equal(["2", undefined].includes(headers["content-length"]), true),
    ),
    "a 304 does not bring what its Connection names": freshened(
      { Connection: "x-hop", "X-Hop": "1" },
      has("x-hop", undefined),
    ),
    "a 304 does not bring Proxy-Authenticate": freshened(
      { "Proxy-Authenticate": "Basic" },
      has("proxy-authenticate", undefined),
    ),
  }),
  ...cases("RFC 9111 §7.3", "API", {
    "who asked gets the Set-Cookie of a 304": async (world) => {
      const reply = await validated(world, notModified({ "Set-Cookie": "id=1" }));
      equal([reply.body, [reply.headers["set-cookie"]].flat()[0]], ["#1", "id=1"]);
    },
    "no later client gets the Set-Cookie of a 304": async (world) => {
      await validated(world, notModified({ "Set-Cookie": "id=1" }));
      const after = await world.ask();
      equal(
        [after.body === "#1" ? undefined : after.body, after.headers["set-cookie"]],
        [after.isForwarded ? "#3" : undefined, undefined],
      );
    },
  }),
];

const LIFE: Case[] = [
  ...cases("RFC 9111 §4.2.3", "MUST", {
    "after a 304 the age begins anew": async (world) => {
      await validated(world, notModified());
      world.pass(4);
      equal((await world.ask()).headers.age, "4");
    },
    "after a 304 without Date the age begins anew, too": async (world) => {
      await validated(world, notModified({ Date: undefined }));
      world.pass(4);
      const { headers } = await world.ask();
      equal([headers.age, headers.date], ["4", world.date(-4)]);
    },
    "an Age in the 304 counts": async (world) => {
      await validated(world, notModified({ Age: "5" }));
      world.pass(2);
      equal((await world.ask()).headers.age, "7");
      world.pass(4);
      equal((await world.ask()).isForwarded, true);
    },
  }),
  ...cases("RFC 9111 §5.1", "ought", {
    "an Age of the old response is gone after a 304": async (world) => {
      await validated(world, notModified(), { ...STORED, Age: "8" });
      world.pass(1);
      equal((await world.ask()).headers.age, "1");
    },
  }),
  ...cases("RFC 9111 §4.3.4", "MUST", {
    "the new freshness is that of the 304": async (world) => {
      await validated(world, notModified({ "Cache-Control": "max-age=100" }));
      world.pass(99);
      equal((await world.ask()).isForwarded, false);
      world.pass(2);
      equal((await world.ask()).isForwarded, true);
    },
    "a 304 without Cache-Control keeps the entry's": async (world) => {
      await validated(world, notModified({ "Cache-Control": undefined }));
      world.pass(9);
      equal((await world.ask()).isForwarded, false);
      world.pass(2);
      equal((await world.ask()).isForwarded, true);
    },
    ...forEach(
      ["no-store", "private", "no-cache", "max-age=0"],
      (value) => `a 304 with ${value} leaves nothing to be reused`,
      (value) => async (world: World) => {
        const reply = await validated(world, notModified({ "Cache-Control": value }));
        equal([reply.status, reply.body], [200, "#1"]);
        equal((await world.ask()).isForwarded, true);
      },
    ),
  }),
  ...cases("RFC 9111 §4.3.4", "MUST NOT", {
    "a 304 with another strong ETag updates nothing": async (world) => {
      await validated(world, notModified({ ETag: '"b"', "X-Both": "new" }));
      const after = await world.ask();
      equal([after.isForwarded, after.headers["x-both"]], [true, undefined]);
    },
  }),
];

/** Cases of `RFC 9111 §4.3.4` and `§3.2`. */
export const FRESHENING: readonly Case[] = [...UPDATED, ...LIFE];
