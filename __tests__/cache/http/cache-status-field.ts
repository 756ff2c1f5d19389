/** The field itself: its syntax, and the members of other caches (RFC 9211, section 2). */
import { deepStrictEqual as equal } from "node:assert";
import { cacheStatusOf, type Reply, type World } from "../../support/http-cache.ts";
import { parseList, Token } from "../../support/structured-field.ts";
import { again, once } from "./cache-status-replies.ts";
import { type Case, cases, cc, each, forEach } from "./case.ts";

/** Every kind of reply, for what holds of all. */
const REPLIES: Record<string, (world: World) => Promise<Reply>> = {
  hit: again("max-age=60", 1),
  miss: once("max-age=60"),
  refusal: once("no-store"),
  request: again("max-age=60", 1, { "Cache-Control": "no-cache" }),
  stale: again("max-age=60", 61),
  method: once("max-age=60", {}, {}, "DELETE"),
  HEAD: once("max-age=60", {}, {}, "HEAD"),
  "Vary: *": once("max-age=60", { Vary: "*" }),
  "Set-Cookie": once("max-age=60", { "Set-Cookie": "a=1" }),
  "bad max-age": once("max-age=abc"),
  "status 500": async (world) => {
    world.answers({ status: 500 });
    return world.ask();
  },
};

const TYPES: Record<string, (value: unknown) => boolean> = {
  hit: (value) => typeof value === "boolean",
  fwd: (value) =>
    value instanceof Token &&
    /^(bypass|method|uri-miss|vary-miss|miss|request|stale|partial)$/.test(value.name),
  "fwd-status": Number.isInteger,
  ttl: Number.isInteger,
  stored: (value) => typeof value === "boolean",
  collapsed: (value) => typeof value === "boolean",
  detail: (value) => value instanceof Token || typeof value === "string",
};

const SYNTAX: Case[] = [
  ...cases("RFC 9211 §2", "MUST", {
    ...forEach(
      Object.entries(REPLIES),
      ([name]) => `the field is a List with parameters of their types: ${name}`,
      ([, run]) =>
        async (world: World) => {
          const { headers } = await run(world);
          const members = parseList(String(headers["cache-status"]));
          equal(
            members.map(({ item }) => String(item)),
            ["express-redis-kit"],
          );
          const { parameters } = members[0]!;
          for (const [key, value] of parameters) equal([key, TYPES[key]?.(value)], [key, true]);
          // Section 2.1: only one of the two.
          equal(parameters.has("hit"), !parameters.has("fwd"));
        },
    ),
  }),
];

const OTHERS = [
  "Origin; hit; ttl=10",
  '"a, b"; hit, C; fwd=miss',
  '"express-redis-kit, not"; hit',
  "express-redis-kitten; hit",
];

const itemsOf = ({ headers }: Reply): string[] =>
  parseList(String(headers["cache-status"])).map(({ item }) => String(item));

const CHAIN: Case[] = [
  ...cases("RFC 9211 §2", "SHOULD", {
    ...each("on a miss, members of caches behind come first", OTHERS, (value) => async (world) => {
      const reply = await once("max-age=60", { "Cache-Status": value })(world);
      const others = parseList(value).map(({ item }) => String(item));
      equal(itemsOf(reply), [...others, "express-redis-kit"]);
    }),
    "on a miss, members in several lines come first": async (world) => {
      world.answers(cc("max-age=60", { "Cache-Status": ["A; hit", "B; fwd=miss"] }));
      equal(itemsOf(await world.ask()), ["A", "B", "express-redis-kit"]);
    },
    "on a hit, members of caches behind come first": async (world) => {
      const reply = await again(
        "max-age=60",
        1,
        {},
        { "Cache-Status": '"O, 1"; hit; ttl=9' },
      )(world);
      equal(itemsOf(reply), ["O, 1", "express-redis-kit"]);
      equal(cacheStatusOf(reply.headers).get("hit"), true);
    },
  }),
  ...cases("RFC 9211 §2", "SHOULD NOT", {
    "a 504 of the cache's own has no member": async (world) => {
      const reply = await once("max-age=60", {}, { "Cache-Control": "only-if-cached" })(world);
      equal([reply.status, reply.headers["cache-status"]], [504, undefined]);
    },
  }),
];

/** Cases of `RFC 9211 §2`. */
export const CACHE_STATUS_FIELD: readonly Case[] = [...SYNTAX, ...CHAIN];
