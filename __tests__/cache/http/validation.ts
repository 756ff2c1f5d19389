/** Asking the handler whether an entry still holds (RFC 9111, sections 4.3.1 and 4.3.3). */
import { deepStrictEqual as equal } from "node:assert";
import type { Answer, Fields, World } from "../../support/http-cache.ts";
import { type Case, cases, cc, forEach, later } from "./case.ts";

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

/** What the handler hears of a stale entry with these fields. */
const hears =
  (fields: Fields, heard: Record<string, string | undefined>, request: Fields = {}): Case["run"] =>
  async (world) => {
    await later(world, cc("max-age=10", fields), 11, {}, request);
    equal(world.seen.length, 2);
    const { headers } = world.seen[1]!;
    equal(Object.fromEntries(Object.keys(heard).map((name) => [name, headers[name]])), heard);
  };

const ASKED: Case[] = [
  ...cases(
    "RFC 9111 §4.3.1",
    "MUST",
    { "the ETag is sent": hears({ ETag: '"a"' }, { "if-none-match": '"a"' }) },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.3.1", "MUST", {
    "a weak ETag is sent as it is": hears({ ETag: 'W/"a"' }, { "if-none-match": 'W/"a"' }),
    "an ETag with a comma and spaces is sent as it is": hears(
      { ETag: '"a, b"' },
      { "if-none-match": '"a, b"' },
    ),
    "the ETag of a no-cache entry is sent each time": async (world) => {
      world.answers(cc("no-cache", { ETag: '"a"' }), notModified({ "Cache-Control": "no-cache" }));
      await world.ask();
      for (const count of [2, 3]) {
        const { status, body, isForwarded } = await world.ask();
        equal([status, body, isForwarded], [200, "#1", true]);
        equal(world.seen[count - 1]!.headers["if-none-match"], '"a"');
      }
    },
  }),
  ...cases("RFC 9111 §4.3.1", "SHOULD", {
    "Last-Modified is sent": hears(
      { "Last-Modified": MODIFIED },
      { "if-modified-since": MODIFIED },
    ),
    "Last-Modified is sent beside the ETag": hears(
      { ETag: '"a"', "Last-Modified": MODIFIED },
      { "if-none-match": '"a"', "if-modified-since": MODIFIED },
    ),
  }),
  ...cases("RFC 9111 §4.3.1", "API", {
    "an entry without validators of the handler's own is asked for anew": hears(
      {},
      { "if-none-match": undefined, "if-modified-since": undefined },
    ),
    "an ETag of the cache's own is not sent": async (world) => {
      await later(world, cc("max-age=10, stale-if-error=60"), 11);
      equal(world.seen.length, 2);
      equal(world.seen[1]!.headers["if-none-match"], undefined);
    },
    "a client's Range is not sent along": hears(
      { ETag: '"a"' },
      { range: undefined, "if-range": undefined },
      { Range: "bytes=0-0", "If-Range": '"a"' },
    ),
  }),
  ...cases("RFC 9111 §4.3.2", "MUST NOT", {
    "a client's If-Modified-Since stands not for the entry's": hears(
      { ETag: '"a"' },
      { "if-none-match": '"a"', "if-modified-since": undefined },
      { "If-Modified-Since": MODIFIED },
    ),
  }),
];

const FULL: Case[] = [
  ...cases(
    "RFC 9111 §4.3.3",
    "MUST",
    {
      "a full response is the client's": async (world) => {
        const reply = await later(world, { fields: STORED }, 11, cc("max-age=10", { ETag: '"b"' }));
        equal([reply.status, reply.body, reply.headers.etag], [200, "#2", '"b"']);
        equal((await world.ask()).body, "#2");
      },
    },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.3.3", "MUST", {
    "a full response is the client's, with the same ETag too": async (world) => {
      const reply = await later(world, { fields: STORED }, 11, cc("max-age=10", { ETag: '"a"' }));
      equal([reply.status, reply.body], [200, "#2"]);
      equal((await world.ask()).body, "#2");
    },
    ...forEach(
      [404, 410, 500, 503],
      (status) => `a ${status} is the client's`,
      (status) => async (world: World) => {
        const reply = await later(world, { fields: STORED }, 11, { status });
        equal([reply.status, reply.body], [status, "#2"]);
      },
    ),
  }),
  ...cases("RFC 9111 §4.3.3", "MUST NOT", {
    "a full response that may not be stored leaves nothing fresh": async (world) => {
      await later(world, { fields: STORED }, 11, cc("no-store"));
      equal((await world.ask()).isForwarded, true);
    },
  }),
];

/** Cases of `RFC 9111 §4.3.1` and `§4.3.3`. */
export const VALIDATION: readonly Case[] = [...ASKED, ...FULL];
