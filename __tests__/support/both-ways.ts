/**
 * The same middlewares on one kit, and each on a kit of its own. Kits know nothing of one another, so what
 * comes of a request when they are apart is what must come of it when they are together.
 */
import { expect } from "@jest/globals";
import type { Kit, KitOptions, Middleware } from "express-redis-kit";
import { afterRoundTrips } from "./cache.ts";
import { makeKit } from "./kit.ts";
import type { RawReply } from "./raw.ts";
import { until } from "./redis-server.ts";
import { type Listener, serveStack, type Stack } from "./stack.ts";

/** Makes the middlewares; each call of `kit` answers the one kit, or one more. */
export type Make = (kit: () => Kit) => Middleware[];

/** One of the two ways. */
export interface Way extends Stack {
  /** One, or as many as there are middlewares. */
  readonly kits: readonly Kit[];
  readonly middlewares: readonly Middleware[];
  /** Waits until what its requests have left is done. */
  readonly rest: () => Promise<void>;
}

/** Both. */
export interface BothWays {
  readonly together: Way;
  readonly apart: Way;
}

/** Serves both, each under a namespace of its own. */
export async function serveBothWays(
  options: KitOptions,
  make: Make,
  listener?: Listener,
): Promise<BothWays> {
  const serveWay = async (namespace: string, isOne: boolean): Promise<Way> => {
    const kits: Kit[] = [];
    const middlewares = make(() => {
      if (!isOne || kits.length === 0) kits.push(makeKit({ secret: "s", ...options, namespace }));
      return kits.at(-1)!;
    });
    const rest = async (): Promise<void> => {
      await Promise.all(kits.map(afterRoundTrips));
    };
    return { ...(await serveStack(kits[0]!, middlewares, listener)), kits, middlewares, rest };
  };
  return { together: await serveWay("together", true), apart: await serveWay("apart", false) };
}

/** All of a reply but what depends on the moment. */
export function tellOf({ status, headers, body }: RawReply): unknown {
  const plain = (name: string): string =>
    String(headers[name] ?? "").replaceAll(/\b(t|ttl|w)=\d+/g, "$1");
  const cookies = (headers["set-cookie"] ?? []).map((line) => line.split("=", 1)[0]);
  return {
    status,
    user: headers["x-user"],
    cache: plain("cache-status"),
    limit: plain("ratelimit"),
    policy: plain("ratelimit-policy"),
    isToldToWait: headers["retry-after"] !== undefined,
    cookies,
    body: status === 200 ? body.toString() : "",
  };
}

/** What each limiter of a way has counted for this machine. */
async function countsOf(way: Way): Promise<number[]> {
  const limiters = way.middlewares.filter((middleware) => "getKey" in middleware);
  const states = await Promise.all(
    limiters.map((limiter) => (limiter as ReturnType<Kit["rateLimit"]>).getKey("127.0.0.1")),
  );
  return states.map((state) => state?.totalHits ?? 0);
}

/** Plays the same on both, one request after the other, and expects the same of them and of their limiters. */
export async function expectSame(
  { together, apart }: BothWays,
  play: (way: Way) => Promise<unknown>,
): Promise<void> {
  const expected = await play(apart);
  expect(await play(together)).toEqual(expected);
  await apart.rest();
  const counts = await countsOf(apart);
  let seen: number[] = [];
  const isSame = async (): Promise<boolean> => {
    seen = await countsOf(together);
    return seen.join(" ") === counts.join(" ");
  };
  await until(isSame, "the limiters have counted the same", 5000).catch(() => {});
  expect(seen).toEqual(counts);
}
