import { expect, it } from "@jest/globals";
import * as fc from "fast-check";
import type { CacheOptions, Kit, KitOptions, Middleware } from "express-redis-kit";
import { setImmediate as turn } from "node:timers/promises";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { chain } from "../support/shells.ts";
import { respond, WRITE_RESPONSES } from "../support/write-responses.ts";

/** What happens next. */
type Step =
  /** Somebody reads on an instance; the handler, if it runs, has read the data and is held. */
  | { readonly do: "get"; readonly on: number }
  /** A held handler answers with what it has read: the oldest or the newest one. */
  | { readonly do: "release"; readonly oldest: boolean }
  /** Somebody writes on an instance, and is answered. */
  | { readonly do: "put"; readonly on: number; readonly how: string }
  /** The data change behind the app's back; then one of these is called. */
  | { readonly do: "purge" | "purgeTag" | "clear"; readonly on: number }
  /** Soft: what is stale may be served, but nothing from before the last hard purge. */
  | { readonly do: "expire" | "expireTag"; readonly on: number }
  /** Redis and the event loop get some time. */
  | { readonly do: "pause"; readonly turns: number };

const on = fc.integer({ min: 0, max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("get" as const), on }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("release" as const), oldest: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      on,
      how: fc.constantFrom(...WRITE_RESPONSES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom("purge", "purgeTag", "clear"), on }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("expire", "expireTag"), on }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("pause" as const),
      turns: fc.integer({ min: 0, max: 12 }),
    }),
  },
);

const CACHES: readonly (readonly [string, CacheOptions])[] = [
  ["plain", {}],
  ["with stale", { stale: "60s" }],
  ["with staleIfError", { staleIfError: "60s" }],
  ["without collapsing", { collapse: false, stale: "60s" }],
];

/** The data, and the handlers that have read it and are held. */
class Origin {
  value = 0;
  /** Everything that begins from now on has to be at least this. */
  floor = 0;
  isOver = false;
  readonly held: (() => void)[] = [];

  async read(): Promise<number> {
    const { value } = this;
    if (!this.isOver) await new Promise<void>((resolve) => void this.held.push(resolve));
    return value;
  }
}

const CALLS = {
  purge: (kit: Kit) => kit.cache.purge("data"),
  purgeTag: (kit: Kit) => kit.cache.purgeTag("datum"),
  clear: (kit: Kit) => kit.cache.clear(),
  expire: (kit: Kit) => kit.cache.expire("data"),
  expireTag: (kit: Kit) => kit.cache.expireTag("datum"),
};

/** One instance: reads through a cache, and writes with a purge. */
async function startOne(kit: Kit, options: CacheOptions, origin: () => Origin): Promise<string> {
  const cache = kit.cache("data", { host: false, tags: ["datum"], ...options });
  const purges = kit.cache.purges("data");
  const byMethod: Middleware = (request, response, next) =>
    (request.method === "GET" ? cache : purges)(request, response, next);
  return serve(
    chain([byMethod], async (request, response) => {
      const now = origin();
      if (request.method === "GET") {
        response.end(String(await now.read()));
        return;
      }
      now.value += 1;
      await respond(response, request.headers["x-how"] as string);
    }),
  );
}

describeBackends("writes, purges, refreshes and reads in 60 random orders", (backend) => {
  it.each(CACHES)(
    "serve nothing that is older than the last completed purge; %s",
    async (_name, options) => {
      const kitOptions: KitOptions = {
        ...backend.options(),
        deadline: "10s",
        connectDeadline: "10s",
      };
      const one = makeKit(kitOptions);
      const two = backend.name === "redis" ? makeKit(kitOptions) : one;
      await Promise.all([one.ready(), two.ready()]);
      const kits = [one, two];
      let origin = new Origin();
      const urls = await Promise.all(kits.map((kit) => startOne(kit, options, () => origin)));
      let reads = 0;

      const play = async (steps: readonly Step[]): Promise<void> => {
        await one.cache.clear();
        origin = new Origin();
        const pending: Promise<void>[] = [];
        const read = async (url: string): Promise<void> => {
          const { floor } = origin;
          const value = Number(textOf(await send(url)));
          reads += 1;
          expect(value).toBeGreaterThanOrEqual(floor);
        };
        for (const next of steps) {
          if (next.do === "get") pending.push(read(urls[next.on]!));
          else if (next.do === "release") {
            (next.oldest ? origin.held.shift() : origin.held.pop())?.();
          } else if (next.do === "pause") {
            for (let turns = 0; turns < next.turns; turns++) await turn();
          } else if (next.do === "put") {
            await send(urls[next.on]!, { method: "PUT", headers: { "X-How": next.how } });
            origin.floor = origin.value;
          } else {
            const isHard = !next.do.startsWith("expire");
            if (isHard) origin.value += 1;
            await CALLS[next.do](kits[next.on]!);
            if (isHard) origin.floor = origin.value;
          }
        }
        origin.isOver = true;
        for (const release of origin.held.splice(0)) release();
        await Promise.all(pending);
        for (const url of urls) await read(url);
      };

      await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 40 }), play), {
        numRuns: 60,
      });
      expect(reads).toBeGreaterThan(200);
    },
    60_000,
  );
});
