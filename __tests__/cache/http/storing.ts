/** What may be stored: methods, statuses, completeness (RFC 9111, sections 3 and 3.3). */
import { deepStrictEqual as equal, rejects } from "node:assert";
import { type Case, cases, cc, forEach, forwards, hit, reuses, second } from "./case.ts";

const HEURISTIC = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
const OTHERS = [201, 202, 302, 303, 307, 400, 403, 409, 429];
const ERRORS = [500, 502, 503, 504];

/** RFC 9110, section 15.1 has no status of these numbers. */
const UNKNOWN = [299, 399, 499];

const byStatus = (
  statuses: readonly number[],
  what: string,
  run: (status: number) => Case["run"],
): Record<string, Case["run"]> => forEach(statuses, (status) => `${status} ${what}`, run);

const METHODS: Case[] = [
  ...cases(
    "RFC 9111 §3",
    "API",
    { "a GET answer with max-age is reused": reuses(cc("max-age=60")) },
    { isCore: true },
  ),
  ...cases("RFC 9111 §4", "MUST NOT", {
    "another target URI is not answered from the entry": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask();
      equal((await world.ask({}, { path: "/b" })).isForwarded, true);
    },
    "another host's URI is not answered from the entry": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask({ Host: "a.example" });
      equal((await world.ask({ Host: "b.example" })).isForwarded, true);
    },
    "a POST is not answered from a GET's entry": forwards(cc("max-age=60"), { method: "POST" }),
    "an OPTIONS is not answered from a GET's entry": forwards(cc("max-age=60"), {
      method: "OPTIONS",
    }),
  }),
  ...cases("RFC 9111 §3", "MUST NOT", {
    "the answer to an OPTIONS is not stored": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask({}, { method: "OPTIONS" });
      equal((await world.ask()).isForwarded, true);
      equal((await world.ask({}, { method: "OPTIONS" })).isForwarded, true);
    },
    "the answer to a PUT is not stored": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask({}, { method: "PUT" });
      equal((await world.ask()).isForwarded, true);
    },
  }),
  ...cases("RFC 9111 §4", "MUST", {
    "every POST is written through, fresh as the last answer may be": async (world) => {
      world.answers(cc("max-age=60"));
      await world.ask({}, { method: "POST" });
      const two = await world.ask({}, { method: "POST" });
      equal([two.isForwarded, two.body], [true, "#2"]);
      equal((await world.ask()).isForwarded, true);
    },
  }),
];

const STATUSES: Case[] = [
  ...cases("RFC 9111 §3", "API", {
    ...byStatus([...HEURISTIC, ...OTHERS], "is stored for its max-age", (status) =>
      reuses(cc("max-age=60", {}, status), { after: 59 }),
    ),
    ...byStatus([404, 302], "is stored by its Expires", (status) =>
      reuses((world) => ({ status, fields: { Expires: world.date(60) } }), { after: 59 }),
    ),
  }),
  ...cases("RFC 9111 §4.2", "MUST NOT", {
    ...byStatus([301, 302, 404], "is not reused after its max-age", (status) =>
      forwards(cc("max-age=60", {}, status), { after: 61 }),
    ),
  }),
  ...cases("RFC 9111 §3", "MAY", {
    ...byStatus(UNKNOWN, "(unknown) is stored for its max-age", (status) =>
      reuses(cc("max-age=60", {}, status)),
    ),
  }),
  ...cases(
    "RFC 9111 §3",
    "MAY",
    byStatus([...ERRORS, 599], "is stored for its max-age", (status) =>
      reuses(cc("max-age=60", {}, status)),
    ),
    { deviation: "an error of the server is never kept" },
  ),
  ...cases("RFC 9111 §3", "API", {
    "a response with an ETag alone, which tells no freshness, is not stored": async (world) => {
      world.answers({ fields: { ETag: '"a"' } });
      await world.ask();
      await world.ask();
      equal([world.seen.length, world.seen[1]?.headers["if-none-match"]], [2, undefined]);
    },
    "a response with a Last-Modified in the future is stored, to be validated": async (world) => {
      const modified = world.date(1000);
      world.answers({ fields: { "Last-Modified": modified } });
      await world.ask();
      await world.ask();
      equal(world.seen[1]?.headers["if-modified-since"], modified);
    },
  }),
  ...cases("RFC 9111 §3", "MUST NOT", {
    ...byStatus([...OTHERS, ...ERRORS], "without explicit freshness is not stored", (status) =>
      forwards((world) => ({ status, fields: { "Last-Modified": world.date(-864_000) } })),
    ),
    ...byStatus([...UNKNOWN, 599], "(unknown) without explicit freshness is not stored", (status) =>
      forwards((world) => ({ status, fields: { "Last-Modified": world.date(-864_000) } })),
    ),
    "206 is not stored, whatever freshness it has": forwards(
      cc("max-age=60", { "Content-Range": "bytes 0-1/9" }, 206),
    ),
    "206 to a request with Range is not stored for one without": forwards(
      cc("max-age=60", { "Content-Range": "bytes 0-1/9" }, 206),
      { first: { Range: "bytes=0-1" }, second: {} },
    ),
    "304 that no one asked for is not stored": second(
      cc("max-age=60", { ETag: '"a"' }, 304),
      {},
      (two) => equal(two.isForwarded, true),
    ),
    "an unknown status with must-understand is not stored": forwards(
      cc("max-age=60, must-understand", {}, 299),
    ),
    "an interim response is not stored": hit(
      {
        fields: { "Cache-Control": "max-age=60" },
        end: (response) => {
          response.writeEarlyHints({ link: "</style.css>; rel=preload" });
          response.end("#1");
        },
      },
      {},
      (two) => equal([two.status, two.headers.link], [200, undefined]),
    ),
  }),
];

const INCOMPLETE: Case[] = [
  ...cases("RFC 9111 §3.3", "MUST NOT", {
    "a response that broke off is not used": async (world) => {
      world.answers(
        {
          fields: { "Cache-Control": "max-age=60", "Content-Length": "9" },
          end: (response) => {
            response.write("#1");
            response.destroy();
          },
        },
        cc("max-age=60"),
      );
      await rejects(world.ask(), /hang up|aborted|reset/);
      await world.forwarded(1);
      equal((await world.ask()).body, "#2");
    },
    "a chunked response that broke off is not used": async (world) => {
      world.answers(
        {
          fields: { "Cache-Control": "max-age=60" },
          end: (response) => {
            response.write("#1");
            response.destroy();
          },
        },
        cc("max-age=60"),
      );
      await rejects(world.ask(), /hang up|aborted|reset/);
      await world.forwarded(1);
      equal((await world.ask()).body, "#2");
    },
    "a whole response is not cut to a Range without saying 206": hit(
      cc("max-age=60"),
      { second: { Range: "bytes=1-1" } },
      ({ status, body, headers }) =>
        equal(
          [status, body],
          status === 206 && headers["content-range"] === "bytes 1-1/2" ? [206, "1"] : [200, "#1"],
        ),
    ),
  }),
  ...cases("RFC 9111 §3", "API", {
    "a response in pieces is stored whole": async (world) => {
      world.answers({
        fields: { "Cache-Control": "max-age=60" },
        end: (response) => {
          response.write("#");
          response.end("1");
        },
      });
      await world.ask();
      await world.forwarded(1);
      const two = await world.ask();
      equal([two.isForwarded, two.body], [false, "#1"]);
    },
    "an empty body is stored": reuses({ ...cc("max-age=60"), body: "" }),
    "a request with Range gets, and stores, all": async (world) => {
      world.answers(cc("max-age=60"));
      const one = await world.ask({ Range: "bytes=0-0" });
      equal([one.status, one.body, world.seen[0]!.headers.range], [200, "#1", undefined]);
      equal((await world.ask()).body, "#1");
    },
  }),
];

/** With `query: 'all'`: by default any parameter bypasses the cache. */
const QUERY: Case[] = [
  ...cases(
    "RFC 9111 §4",
    "MUST NOT",
    {
      "another query is another target URI": async (world) => {
        world.answers(cc("max-age=60"));
        await world.ask({}, { path: "/a?x=1" });
        for (const path of ["/a?x=2", "/a?X=1", "/a?x=1&x=1", "/a"]) {
          equal((await world.ask({}, { path })).isForwarded, true);
        }
        equal((await world.ask({}, { path: "/a?x=1" })).body, "#1");
      },
    },
    { options: { query: "all" } },
  ),
];

/** Cases of `RFC 9111 §3` and `§3.3`. */
export const STORING: readonly Case[] = [...METHODS, ...STATUSES, ...INCOMPLETE, ...QUERY];
