/** The routes of the leak suite: every scope, with every way to be fresh, under every stack, and all else mixed. */
import type { Request } from "express";
import type { CacheOptions } from "express-redis-kit";
import type { Route } from "./leak-asks.ts";

const SCOPES = ["none", "public", "user", "tenant"] as const;
const STACKS = ["early", "late", "bare"] as const;
const WHERE = ["before", "after", "none"] as const;

/** One of a list, by two numbers: spread, but the same in every run. */
function pick<T>(list: readonly T[], index: number, salt: number): T {
  return list[(Math.imul(index * 31 + salt + 1, 0x9e3779b1) >>> 7) % list.length]!;
}

function scopeOption(scope: Route["scope"]): Pick<CacheOptions, "scope"> {
  if (scope === "none") return {};
  if (scope === "tenant") return { scope: (request: Request) => request.get("X-Tenant") };
  return { scope };
}

function routeOf(index: number): Route {
  const scope = SCOPES[index % 4]!;
  const isOrigin = (index >> 2) % 2 === 1;
  const stack = STACKS[(index >> 3) % 3]!;
  const cors = pick(WHERE, index, 1);
  const ignored = pick([[], ["theme", "sid", "late"]], index, 2);
  const collapse = pick([undefined, undefined, { wait: "30ms" }, false] as const, index, 3);
  const options: CacheOptions = {
    ...scopeOption(scope),
    ...(isOrigin && { ttl: "origin" }),
    ...(ignored.length > 0 && { ignoreCookies: ignored }),
    ...(collapse !== undefined && { collapse }),
    ...pick<CacheOptions>([{}, { stale: "1h" }, { stale: "1h" }], index, 4),
    ...pick<CacheOptions>([{}, { staleIfError: "1h" }, { staleIfError: "1h" }], index, 5),
    ...pick<CacheOptions>([{}, { memory: {} }], index, 6),
    ...pick<CacheOptions>([{}, { tags: ["leak"] }], index, 7),
    ...(cors === "after" && pick<CacheOptions>([{}, { vary: ["Origin"] }], index, 8)),
  };
  const name = `r${index}`;
  return { name, scope, isOrigin, stack, cors, zip: pick(WHERE, index, 9), ignored, options };
}

/** All of them. */
export const ROUTES: readonly Route[] = Array.from({ length: 96 }, (_, index) => routeOf(index));
