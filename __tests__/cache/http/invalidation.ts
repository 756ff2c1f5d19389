/** Unsafe requests and what they end (RFC 9111, section 4.4). */
import { deepStrictEqual as equal } from "node:assert";
import { createGate, type World } from "../../support/http-cache.ts";
import { type Case, cases, cc, forEach } from "./case.ts";

const UNSAFE = ["POST", "PUT", "DELETE", "PATCH"];

/** Not one of HTTP's own: whether they are safe is unknown to a cache. */
const UNKNOWN = ["PURGE", "LINK", "MKCOL", "MERGE"];

/** RFC 9110, section 9.2.1, and the IANA registry. */
const SAFE = ["OPTIONS"];
const SAFE_ELSEWHERE = ["PROPFIND", "REPORT", "SEARCH"];

/** Stores, sends another request, and tells whether a GET is forwarded afterwards. */
async function ends(
  world: World,
  method: string,
  status = 200,
  { path = "/a", fields = {} }: { path?: string; fields?: Record<string, string> } = {},
): Promise<boolean> {
  world.answers(cc("max-age=600"), { status, fields }, cc("max-age=600"));
  await world.ask();
  const between = await world.ask({}, { method, path });
  equal([between.isForwarded, between.status], [true, status]);
  return (await world.ask()).isForwarded;
}

/** Cases of `RFC 9111 §4.4`. */
export const INVALIDATION: readonly Case[] = [
  ...cases(
    "RFC 9111 §4.4",
    "MUST",
    forEach(
      UNSAFE,
      (method) => `a ${method} that succeeds ends the entry`,
      (method) => async (world) => equal(await ends(world, method), true),
    ),
    { isCore: true },
  ),
  ...cases("RFC 9111 §4.4", "MUST", {
    ...forEach(
      UNKNOWN,
      (method) => `a ${method}, which may be unsafe, ends the entry`,
      (method) => async (world) => equal(await ends(world, method), true),
    ),
    ...forEach(
      [201, 202, 204, 205, 301, 302, 303, 307],
      (status) => `a POST that is answered ${status} ends the entry`,
      (status) => async (world) => equal(await ends(world, "POST", status), true),
    ),
    "it ends all variants": async (world) => {
      const said = cc("max-age=600", { Vary: "X-Lang" });
      world.answers(said, said, {}, said);
      await world.ask({ "X-Lang": "de" });
      await world.ask({ "X-Lang": "fr" });
      await world.ask({}, { method: "PUT" });
      equal((await world.ask({ "X-Lang": "de" })).isForwarded, true);
      equal((await world.ask({ "X-Lang": "fr" })).isForwarded, true);
    },
    "it ends an entry that has validators": async (world) => {
      world.answers(cc("max-age=600", { ETag: '"a"' }), {}, cc("max-age=600", { ETag: '"b"' }));
      await world.ask();
      await world.ask({}, { method: "PUT" });
      equal((await world.ask()).body, "#3");
    },
    "it ends what is stored afterwards no more": async (world) => {
      await ends(world, "PUT");
      equal((await world.ask()).isForwarded, false);
    },
    "it ends what a stale-while-revalidate would serve": async (world) => {
      world.answers(cc("max-age=10, stale-while-revalidate=600"), {});
      await world.ask();
      world.pass(20);
      await world.ask({}, { method: "PUT" });
      equal((await world.ask()).body, "#3");
    },
    "it ends what a stale-if-error would serve": async (world) => {
      const error = { status: 503, body: "broken" };
      world.answers(cc("max-age=10, stale-if-error=600"), {}, error);
      await world.ask();
      await world.ask({}, { method: "PUT" });
      equal((await world.ask()).body, "broken");
    },
  }),
  ...cases(
    "RFC 9111 §4.4",
    "MUST",
    {
      "it ends an entry with a query": async (world) => {
        const path = "/a?x=1";
        world.answers(cc("max-age=600"));
        await world.ask({}, { path });
        await world.ask({}, { path, method: "PUT" });
        equal((await world.ask({}, { path })).isForwarded, true);
      },
    },
    { options: { query: "all" } },
  ),
  ...cases("RFC 9111 §4.4", "API", {
    ...forEach(
      [400, 401, 404, 409, 412, 500, 503],
      (status) => `a POST that is answered ${status} leaves the entry`,
      (status) => async (world) => equal(await ends(world, "POST", status), false),
    ),
    ...forEach(
      SAFE,
      (method) => `a ${method}, which is safe, leaves the entry`,
      (method) => async (world) => equal(await ends(world, method), false),
    ),
    "a PUT elsewhere leaves the entry": async (world) => {
      equal(await ends(world, "PUT", 200, { path: "/b" }), false);
    },
    "an answer that was begun before the write is not reused after it": async (world) => {
      const gate = createGate();
      world.answers(
        async () => {
          await gate.opened;
          return cc("max-age=600");
        },
        {},
        cc("max-age=600"),
      );
      const early = world.ask();
      await world.arrived(1);
      await world.ask({}, { method: "PUT" });
      gate.open();
      await early;
      equal((await world.ask()).isForwarded, true);
    },
  }),
  ...cases(
    "RFC 9111 §4.4",
    "MAY",
    forEach(
      SAFE_ELSEWHERE,
      (method) => `a ${method}, which is safe, leaves the entry`,
      (method) => async (world) => equal(await ends(world, method), false),
    ),
    { deviation: "methods of other RFCs are taken for unsafe" },
  ),
  ...cases("RFC 9111 §4.4", "MUST NOT", {
    "Location at another origin ends nothing there": async (world) => {
      const fields = { Location: "http://other.example/a" };
      equal(await ends(world, "POST", 201, { path: "/b", fields }), false);
    },
    "Content-Location at another origin ends nothing there": async (world) => {
      const fields = { "Content-Location": "https://other.example/a" };
      equal(await ends(world, "POST", 200, { path: "/b", fields }), false);
    },
  }),
];
