import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "@jest/globals";
import * as fc from "fast-check";
import type { Kit } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import {
  type Ask,
  DEEDS,
  headersOf,
  markOf,
  PEOPLE,
  type Route,
  SIGNS,
} from "../support/leak-asks.ts";
import { type Heard, wrongsOf } from "../support/leak-oracle.ts";
import { ROUTES } from "../support/leak-routes.ts";
import { Meeting, serveSite, signIn } from "../support/leak-site.ts";
import { makeKit } from "../support/kit.ts";
import { type RawReply, send } from "../support/raw.ts";
import { EXPRESSES } from "../support/shells.ts";

/** What an arbitrary makes. */
type Arbitrated<A> = A extends fc.Arbitrary<infer T> ? T : never;

/** The first one most of the time. */
function rarely<A, B>(mostly: A, ...others: readonly B[]): fc.Arbitrary<A | B> {
  return fc.oneof(
    { weight: 9, arbitrary: fc.constant(mostly) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );
}

/** What a request is, but for its number and its place in a round. */
const draft = fc.record({
  person: fc.constantFrom(...PEOPLE),
  signs: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.subarray([...SIGNS], { minLength: 1, maxLength: 2 }) },
  ),
  page: rarely(1, 2),
  method: rarely("GET" as const, "HEAD" as const),
  host: rarely("site.test", "evil.test"),
  forwardedHost: rarely(undefined, "forged.test"),
  forwardedProto: rarely(undefined, "https"),
  process: fc.integer({ min: 0, max: 1 }),
  deed: fc.oneof(
    { weight: 2, arbitrary: fc.constant("plain" as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...DEEDS,
        "csrf",
        "csrf",
        "read-session",
        "outer-cookie",
        "fail",
        "fail",
      ),
    },
  ),
  freshness: fc.constantFrom(
    "public, max-age=60",
    "max-age=60",
    "s-maxage=60",
    "public, max-age=0, stale-while-revalidate=60",
    "public, max-age=0, stale-if-error=60",
    "max-age=60, must-revalidate",
  ),
  directive: rarely(undefined, "no-cache", "no-store", "no-store", "max-age=0", "only-if-cached"),
  condition: rarely(undefined, "*" as const, '"none"' as const),
  gzip: fc.boolean(),
  leaves: fc.integer({ min: 0, max: 30 }).map((chance) => chance === 30),
});
type Draft = Arbitrated<typeof draft>;

/** What happens next. */
type Event =
  | { readonly ask: Draft }
  | { readonly release: number }
  | { readonly settle: true }
  | { readonly drop: "expire" | "purge" | "tag" };

const SETTLE: Event = { settle: true };

/** As somebody who says nothing of who it is: such requests meet one another. */
function plainly(asked: Draft, deed: Draft["deed"] = asked.deed): Event {
  const { person, process, freshness, gzip } = asked;
  return { ask: { ...PLAIN, person, process, freshness, gzip, deed } };
}

const PLAIN = {
  signs: [],
  page: 1,
  method: "GET",
  host: "site.test",
  forwardedHost: undefined,
  forwardedProto: undefined,
  directive: undefined,
  condition: undefined,
  leaves: false,
} as const;

/** What whoever meets something stale may do that nobody else may see. */
const FATES = [
  "plain",
  "validate",
  "validate-and-set-cookie",
  "set-cookie",
  "outer-cookie",
  "csrf",
  "private",
  "fail",
  "throw",
] as const;

/** Something is stored and becomes stale; somebody makes it anew, or fails to, and others come. */
const aging = fc
  .record({
    first: draft,
    second: draft,
    third: draft,
    isValidated: fc.boolean(),
    deed: fc.constantFrom(...FATES),
  })
  .map(({ first, second, third, isValidated, deed }): readonly Event[] => [
    plainly(first, isValidated ? "validate" : "plain"),
    SETTLE,
    { drop: "expire" },
    { ask: { ...second, ...PLAIN, deed, directive: second.directive } },
    SETTLE,
    plainly(third),
    SETTLE,
  ]);

const scene: fc.Arbitrary<readonly Event[]> = fc.oneof(
  { weight: 9, arbitrary: draft.map((ask) => [{ ask }]) },
  { weight: 3, arbitrary: fc.nat({ max: 9 }).map((release) => [{ release }]) },
  { weight: 3, arbitrary: fc.constant([SETTLE]) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...(["expire", "purge", "tag"] as const)).map((drop) => [{ drop }]),
  },
  { weight: 2, arbitrary: aging },
);

/** One route a round: then what one person leaves in it, the others meet. */
const round = fc.record({
  route: fc.constantFrom(...ROUTES),
  scenes: fc.array(scene, { minLength: 6, maxLength: 12, size: "max" }),
});
type Round = Arbitrated<typeof round>;

const BROKEN: RawReply = { status: 0, headers: {}, body: Buffer.alloc(0) };

/** Plays rounds on a site that may run in two processes' kits. */
class Players {
  readonly meeting = new Meeting();
  readonly heard: Heard[] = [];
  readonly #leaving = new Map<number, AbortController>();
  readonly #underway = new Set<number>();
  #asked = 0;
  #round = 0;
  #wake = (): void => {};
  /** Servers; the second one believes what proxies say. */
  urls: readonly string[] = [];
  readonly #kits: readonly Kit[];

  constructor(kits: readonly Kit[]) {
    this.#kits = kits;
    this.meeting.onArrival = () => this.#wake();
    this.meeting.onBegin = (ask) => {
      if (ask.leaves) this.#leaving.get(ask.number)!.abort();
      this.#wake();
    };
  }

  /** Asks, and goes on once the request has arrived. */
  async #ask({ process, ...asked }: Draft, route: Route): Promise<void> {
    const number = ++this.#asked;
    const page = `${this.#round}-${asked.page}`;
    const ask: Ask = { ...asked, route, number, page, isTrusting: process === 1 };
    const leaving = new AbortController();
    const headers = headersOf(ask, this.meeting.sessions);
    this.meeting.asks.set(number, ask);
    this.#leaving.set(number, leaving);
    this.#underway.add(number);
    const target = { path: `/${route.name}/${page}`, method: ask.method, headers };
    const answered = async (): Promise<void> => {
      const signal = leaving.signal;
      const reply = await send(this.urls[process]!, { ...target, signal }).catch(() => BROKEN);
      this.heard.push({ ask, reply, headers });
      this.#underway.delete(number);
      this.#wake();
    };
    void answered();
    await this.#wait(() => this.meeting.arrived.has(number));
  }

  async #drop(what: string, { name }: Route): Promise<void> {
    const { cache } = this.#kits[this.#round % this.#kits.length]!;
    if (what === "tag") return void (await cache.expireTag("leak"));
    for (const page of [1, 2]) {
      const params = { page: `${this.#round}-${page}` };
      await (what === "purge" ? cache.purge(name, params) : cache.expire(name, params));
    }
  }

  async #wait(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        const underway = [...this.#underway];
        const hang = setTimeout(() => reject(new Error(`No answer: ${underway.join()}`)), 15_000);
        this.#wake = () => {
          clearTimeout(hang);
          resolve();
        };
      });
    }
  }

  /** All are answered, and what is done after that is done in all likelihood. */
  async #settle(): Promise<void> {
    this.meeting.open();
    await this.#wait(() => this.#underway.size === 0);
    for (let trips = 0; trips < 3; trips++) {
      await nextTurn();
      await this.#kits[0]!.cache.purgeTag("nothing");
    }
  }

  /** Plays one round; answers what should not have happened. */
  async play({ route, scenes }: Round): Promise<string[]> {
    this.#round++;
    const { waiting, renderings } = this.meeting;
    const first = this.heard.length;
    for (const next of scenes.flat()) {
      this.meeting.isOpen = false;
      if ("ask" in next) await this.#ask(next.ask, route);
      else if ("drop" in next) await this.#drop(next.drop, route);
      else if ("settle" in next) await this.#settle();
      else {
        await this.#wait(() => waiting.length > 0 || this.#underway.size === 0);
        waiting.splice(next.release % Math.max(1, waiting.length), 1)[0]?.();
      }
    }
    await this.#settle();
    return this.heard.slice(first).flatMap((each) => {
      const wrongs = wrongsOf(each, renderings);
      return wrongs.map((wrong) => `${markOf(each.ask)}: ${wrong}; ${statusOf(each)}`);
    });
  }
}

function statusOf({ reply }: Heard): string {
  return String(reply.headers["cache-status"]);
}

describeBackends("users of one cache", (backend) => {
  it("learn nothing of one another in 500 random interleavings", async () => {
    const isMemory = backend.name === "memory";
    const kits = Array.from({ length: isMemory ? 1 : 2 }, () =>
      makeKit({ ...backend.options(), secret: "s" }),
    );
    const players = new Players(kits);
    const { express } = EXPRESSES[isMemory ? 1 : 0]!;
    const serveOne = (kit: Kit, isTrusting: boolean): Promise<string> =>
      serveSite(express, kit, ROUTES, players.meeting, isTrusting);
    players.urls = [await serveOne(kits[0]!, false), await serveOne(kits.at(-1)!, true)];
    players.meeting.sessions = await signIn(players.urls[0]!, PEOPLE);
    await fc.assert(
      fc.asyncProperty(round, async (next) => {
        expect(await players.play(next)).toEqual([]);
      }),
      { numRuns: 500, interruptAfterTimeLimit: 100_000 },
    );
    // It would be easy to leak nothing by sharing nothing.
    const count = (said: RegExp): number =>
      players.heard.filter((each) => said.test(statusOf(each))).length;
    expect(count(/; hit; ttl=\d/)).toBeGreaterThan(100);
    expect(count(/; hit; ttl=-/)).toBeGreaterThan(100);
    expect(count(/; collapsed/)).toBeGreaterThan(20);
    expect(count(/; detail=stale-if-error/)).toBeGreaterThan(3);
  }, 150_000);
});
