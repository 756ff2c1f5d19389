/**
 * Of those who miss the same thing at once, one makes it and the others wait: in this process by a flight
 * that they join, across processes by a lock. Both are bound to the versions that stood, so that nobody who
 * came after a purge waits for what was begun before it.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { EnginePlan } from "./engine-options.ts";
import { type Flight, Flights, type Outcome, outcomeOf } from "./flights.ts";
import type { Entry } from "./store/entry.ts";
import type { Lead } from "./store/lock.ts";
import type { Place } from "./store/place.ts";
import type { CacheStore, Found } from "./store/store.ts";

/** What was made, and where it goes. Times are milliseconds. */
export interface Product {
  readonly entry: Entry;
  readonly ttl: number;
  /** Request fields that it varies on, beside those of its place. */
  readonly vary?: readonly string[] | undefined;
}

/** The right to make something. One of its calls ends it. */
export interface Lease {
  /** What stood before the work began. */
  readonly versions: readonly string[];
  /** Hands over what was made; answers false where it was purged meanwhile. */
  keep(product: Product): Promise<boolean>;
  /** What was made cannot be shared: whoever waits makes their own. */
  refuse(isError?: boolean): void;
  /** There was an error, and what is stored stood in for it: for whoever waits, too. */
  cover(): void;
  /** Nothing was made: another one may begin. */
  abandon(): void;
}

/** Make it, take what another one made, or leave it, for who asked has gone. */
export type Turn = { readonly lease: Lease } | { readonly followed: Entry } | "covered" | "gone";

/** What is to be made. */
export interface Work {
  readonly place: Place;
  readonly found: Found;
  readonly collapse: EnginePlan["collapse"];
}

/** Who asks for a turn. */
export interface Asker extends Work {
  /** The request that asks: it waits for no flight of its own, further out on its way. */
  readonly owner?: object;
  /** Aborted once nobody waits for the answer. Undefined: somebody always does. */
  readonly gone: AbortSignal | undefined;
}

/** An asker, with what all that it does is bound to. */
interface Bound extends Asker {
  readonly versions: readonly string[];
  /** By `performance.now()`. */
  readonly until: number;
}

/** What came of asking for the lock. */
interface Locked {
  readonly lead: Lead;
  /** Who holds it now; undefined where nobody does. */
  readonly holder: string | undefined;
  /** What another one has made. */
  readonly made: Exclude<Outcome, string> | undefined;
}

/** How long a lock says that nothing could be stored: longer than those who wait look away. */
const NOTE = 1000;
/** How often those who wait for another process look. */
const FIRST_LOOK = 10;
const LONGEST_LOOK = 100;
/** How long nobody waits after something could not be stored. */
const PASSING = 10_000;
const DEFAULT_AGE = 5000;

/** The coalescing of one kit. Times are milliseconds. */
export class Coalescing {
  readonly #store: CacheStore;
  readonly #report: (error: unknown) => void;
  readonly #flights = new Flights();
  readonly #passing = new LRUCache<string, true>({ max: 10_000, ttl: PASSING });

  /** @param report is told why Redis could not be asked; the work is then done without it */
  constructor(store: CacheStore, report: (error: unknown) => void) {
    this.#store = store;
    this.#report = report;
  }

  /** Rejects where Redis cannot tell the versions that stand. */
  async take(asker: Asker): Promise<Turn> {
    const { place, found, collapse, gone } = asker;
    const versions = await this.#store.versions(place, found);
    const alone: Turn = { lease: this.#leaseOf(asker, versions) };
    if (collapse === undefined || this.#passing.has(place.variantKey)) return alone;
    const id = idOf(place, versions);
    const until = performance.now() + collapse.wait;
    const isGone = (): boolean => gone?.aborted === true;
    while (!isGone()) {
      const flight = this.#flights.find(id);
      if (flight === undefined) {
        const begun = this.#flights.begin(id, collapse.age, asker.owner);
        return this.#seek({ ...asker, versions, until }, begun);
      }
      if (flight.owner !== undefined && flight.owner === asker.owner) return alone;
      // eslint-disable-next-line no-await-in-loop -- of a flight that came to nothing, the next one is joined
      const outcome = await outcomeOf(flight, until, gone);
      if (outcome === "gone") break;
      if (outcome === "covered") return found.entry === undefined ? alone : "covered";
      if (outcome === "abandoned") continue;
      const isFollowed = typeof outcome === "object" && isFor(place, outcome);
      return isFollowed ? { followed: outcome.entry } : alone;
    }
    return "gone";
  }

  /** A lease for work that nobody waits for; undefined where it is under way. */
  async lead(work: Work): Promise<Lease | undefined> {
    const versions = await this.#store.versions(work.place, work.found);
    const id = idOf(work.place, versions);
    if (this.#flights.find(id)) return undefined;
    const flight = this.#flights.begin(id, work.collapse?.age ?? DEFAULT_AGE);
    const { lead, holder, made } = await this.#lock(work, versions);
    if (made !== undefined) {
      flight.end(made);
      return undefined;
    }
    if (lead === "leading") return this.#leaseOf(work, versions, flight, holder);
    // Another process does it: nobody here needs to ask again for a while.
    setTimeout(() => flight.end("abandoned"), LONGEST_LOOK).unref();
    return undefined;
  }

  /** As the first of this process: leads, or waits for who does in another one. */
  async #seek(asker: Bound, flight: Flight): Promise<Turn> {
    let seen: Outcome;
    do {
      // eslint-disable-next-line no-await-in-loop -- until somebody leads, or has led
      const { lead, holder, made } = await this.#lock(asker, asker.versions);
      if (lead === "leading" && made === undefined) {
        return { lease: this.#leaseOf(asker, asker.versions, flight, holder) };
      }
      // eslint-disable-next-line no-await-in-loop
      seen = made ?? (lead === "refused" ? "refused" : await this.#watch(asker));
    } while (seen === "abandoned");
    flight.end(seen === "late" || seen === "gone" ? "abandoned" : seen);
    if (seen === "gone") return "gone";
    if (typeof seen === "object") return { followed: seen.entry };
    return { lease: this.#leaseOf(asker, asker.versions) };
  }

  /** Waits for what another process makes. */
  async #watch(asker: Bound): Promise<Outcome> {
    const { until, gone } = asker;
    for (let pause = FIRST_LOOK; ; pause = Math.min(pause * 1.5, LONGEST_LOOK)) {
      if (gone?.aborted) return "gone";
      const left = until - performance.now();
      if (left <= 0) return "late";
      // eslint-disable-next-line no-await-in-loop -- one look after the other
      await sleep(Math.min(pause, left), undefined, gone && { signal: gone }).catch(() => {});
      // eslint-disable-next-line no-await-in-loop
      const seen = await this.#look(asker);
      if (seen !== undefined) return seen;
    }
  }

  async #look({ place, versions, found: before }: Bound): Promise<Outcome | undefined> {
    try {
      const [found, lock] = await Promise.all([
        this.#store.find(place),
        this.#store.lock(place, versions),
      ]);
      const made = madeUnder(versions, before, found);
      if (made !== undefined) return made;
      if (lock === "refused") return "refused";
      return lock === "free" ? "abandoned" : undefined;
    } catch (error) {
      this.#report(error);
      return "late";
    }
  }

  /**
   * Asks for the lock, and in the same flush whether another one has made it since it was looked for.
   * Without Redis there is no lock to be had, and nothing to wait for.
   */
  async #lock(work: Work, versions: readonly string[]): Promise<Locked> {
    const { place, collapse } = work;
    const holder = randomUUID();
    try {
      const [lead, found] = await Promise.all([
        this.#store.lead(place, holder, versions, collapse?.age ?? DEFAULT_AGE),
        this.#store.find(place).catch((error: unknown) => {
          this.#report(error);
          return undefined;
        }),
      ]);
      const made = found && madeUnder(versions, work.found, found);
      if (made !== undefined && lead === "leading") {
        this.#store.release(place, holder, 0).catch(this.#report);
      }
      return { lead, holder, made };
    } catch (error) {
      this.#report(error);
      return { lead: "leading", holder: undefined, made: undefined };
    }
  }

  #leaseOf(
    { place, found }: Work,
    versions: readonly string[],
    flight?: Flight,
    holder?: string,
  ): Lease {
    const end = (outcome: Outcome, note: number): void => {
      flight?.end(outcome);
      if (holder !== undefined) {
        this.#store.release(place, holder, note).catch(this.#report);
      }
    };
    return {
      versions,
      keep: async ({ entry, ttl, vary }) => {
        // RFC 9111, section 4: what has to be validated before each use answers one request.
        const isShared = entry.freshUntil > Date.now();
        const outcome: Outcome = isShared ? { entry, vary } : "refused";
        if (isShared) this.#passing.delete(place.variantKey);
        else this.#passing.set(place.variantKey, true);
        flight?.end(outcome);
        try {
          return await this.#store.keep({ place, entry, ttl, vary, found });
        } finally {
          // Whoever finds the lock free must find the entry, too.
          end(outcome, isShared ? 0 : NOTE);
        }
      },
      refuse: (isError = false) => {
        // Of an error it is hoped that it ends, and then one is to ask for all again.
        if (!isError) this.#passing.set(place.variantKey, true);
        end("refused", NOTE);
      },
      cover: () => end("covered", NOTE),
      abandon: () => end("abandoned", 0),
    };
  }
}

/** What is stored, if it is fresh, was made under these versions, and is not what was there before. */
function madeUnder(
  versions: readonly string[],
  before: Found,
  { entry, expiredAt, vary }: Found,
): Exclude<Outcome, string> | undefined {
  if (entry === undefined || entry.storedAt === before.entry?.storedAt) return undefined;
  const isUnder = entry.versions.every((version, at) => version === versions[at]);
  const isFresh = isUnder && expiredAt === undefined && entry.freshUntil > Date.now();
  return isFresh ? { entry, vary } : undefined;
}

function idOf({ variantKey }: Place, versions: readonly string[]): string {
  return `${variantKey} ${versions.join(" ")}`;
}

/** What a request's own fields select of stored variants must be what was made. */
function isFor(place: Place, { entry, vary }: Exclude<Outcome, string>): boolean {
  return vary === undefined || place.select?.(vary) === entry.hash;
}
