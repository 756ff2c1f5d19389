/** The cache's store: one reading of all that a lookup needs, one writing of all that a response leaves. */
import type { Context } from "../../context.ts";
import type { Connection } from "../../connection/port.ts";
import type { Keys } from "../../keys.ts";
import { Hints } from "../../prefetch/hints.ts";
import { decodeEntry, encodeEntry, type Entry } from "./entry.ts";
import { type Lead, leadScript, readLock, releaseScript } from "./lock.ts";
import type { Place } from "./place.ts";
import {
  expiredSince,
  extendScript,
  fillScript,
  freshVersion,
  versionOf,
  versionScript,
} from "./version.ts";

/** How long a version that nothing was stored under yet is kept: a handler may render for as long. */
const RENDERING = 60_000;

/** Of how many variants a process remembers where they stand. */
const HINTS = 10_000;

/** What a lookup found. */
export interface Found {
  /** Of each of the place's version keys, as it stands; undefined where there is none. */
  readonly versions: readonly (string | undefined)[];
  /** Not purged since it was stored; fresh or not. */
  readonly entry: Entry | undefined;
  /** The request fields that tell this resource's stored variants apart, beside those of the place. */
  readonly vary: readonly string[] | undefined;
  /** When the entry was expired by a call, if it was. */
  readonly expiredAt: number | undefined;
  /** The resource's own key holds another variant's entry. */
  readonly isTaken: boolean;
  /** There are variants of this resource, but none for this request's fields. */
  readonly isVaryMiss: boolean;
}

/** A lookup under way. */
export interface AskedEntry {
  readonly keys: readonly string[];
  readonly values: Promise<(Buffer | null)[]>;
}

/** How an entry is to be kept. */
export interface Keeping {
  readonly place: Place;
  readonly entry: Entry;
  /** Milliseconds. */
  readonly ttl: number;
  /** What the lookup before it found. */
  readonly found: Found;
  /** Request fields that the response varies on beside those of the place. */
  readonly vary: readonly string[] | undefined;
}

/** What a lookup begins with. */
interface Look {
  readonly keys: readonly string[];
  /** The variant's own key is among them. */
  readonly isApart: boolean;
  /** The hash of the stored variant that its last key belongs to. */
  readonly guess: string | undefined;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((key, at) => key === other[at]);
}

/** Over one connection. */
export class CacheStore {
  readonly #connection: Connection;
  readonly #keys: Keys;
  /** The Vary of variants that were found, so that the next lookup asks for all at once. */
  readonly #vary = new Hints<readonly string[]>(HINTS);
  /** Variants beside which the resource's own key held another one's entry. */
  readonly #apart = new Hints<true>(HINTS);

  constructor({ connection, keys }: Pick<Context, "connection" | "keys">) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** Asks for what {@link find} begins with. */
  ask(place: Place): AskedEntry {
    return this.#ask(this.#lookFor(place));
  }

  /** @param asked what was asked for a place that was thought to be this one; anything else is asked anew */
  async find(place: Place, asked?: AskedEntry): Promise<Found> {
    return this.#find(place, this.#lookFor(place), asked);
  }

  async #find(place: Place, look: Look, asked?: AskedEntry): Promise<Found> {
    const { versionKeys } = place;
    const { isApart, guess } = look;
    const isAsked = asked !== undefined && isSame(asked.keys, look.keys);
    const values = await (isAsked ? asked : this.#ask(look)).values;
    const found = this.#first(place, values, isApart ? values[versionKeys.length] : undefined);
    if (found.isTaken && !isApart) {
      this.#apart.set(place.variantKey, true);
      return this.#find(place, this.#lookFor(place, true));
    }
    return found.entry?.vary === undefined
      ? found
      : this.#second(place, found, guess === undefined ? undefined : [guess, values.at(-1)!]);
  }

  /** Which keys a lookup begins with. */
  #lookFor(place: Place, mustBeApart = !place.isPlain): Look {
    const { versionKeys, variantKey, select } = place;
    const vary = select && this.#vary.get(variantKey);
    const guess = vary && select(vary);
    // Most entries stand in the resource's own key; the variant's is asked only where it does not.
    const isApart = mustBeApart || this.#apart.get(variantKey) === true;
    if (!isApart && guess === undefined) return { keys: versionKeys, isApart, guess };
    const keys = [...versionKeys];
    if (isApart) keys.push(variantKey);
    if (guess !== undefined) keys.push(this.#keyOf(place, guess));
    return { keys, isApart, guess };
  }

  #ask({ keys }: Look): AskedEntry {
    return { keys, values: this.#read(keys) };
  }

  /** One key is mostly all that there is to read. */
  #read(keys: readonly string[]): Promise<(Buffer | null)[]> {
    if (keys.length > 1) return this.#connection.mgetBytes(keys);
    return this.#connection.getBytes(keys[0]!).then((value) => [value]);
  }

  #first(
    place: Place,
    values: readonly (Buffer | null)[],
    apart: Buffer | null | undefined,
  ): Found {
    const versions = place.versionKeys.map((_key, index) => versionOf(values[index]));
    const own = place.isPlain ? read(values[0]) : undefined;
    if (own?.hash === place.hash) return judge(versions, own, false);
    const isTaken = own !== undefined && isInUse(own, versions);
    return judge(versions, read(apart, place.hash), isTaken);
  }

  /** The stored variant that the request's fields select. */
  async #second(
    place: Place,
    { versions, isTaken, entry }: Found,
    guessed: readonly [hash: string, value: Buffer | null] | undefined,
  ): Promise<Found> {
    if (place.select === undefined) return judge(versions, undefined, isTaken);
    const vary = entry!.vary!;
    this.#vary.set(place.variantKey, vary);
    const hash = place.select(vary);
    const value =
      hash === guessed?.[0]
        ? guessed[1]
        : await this.#connection.getBytes(this.#keyOf(place, hash));
    const found = judge(versions, read(value, hash), isTaken);
    if (found.entry !== undefined) return { ...found, vary };
    if (entry!.status === SIGNPOST) return { ...found, vary, isVaryMiss: true };
    return { ...judge(versions, entry, isTaken), vary };
  }

  /** The place's versions, made where they are missing. */
  async versions({ versionKeys }: Place, { versions }: Found): Promise<readonly string[]> {
    if (versions.every((version) => version !== undefined)) return versions;
    return Promise.all(
      versionKeys.map((key) =>
        this.#connection.run(versionScript, key, [freshVersion(), RENDERING]),
      ),
    );
  }

  /** Writes an entry; answers false where it was purged meanwhile. */
  async keep(keeping: Keeping): Promise<boolean> {
    const { place, entry, vary, found } = keeping;
    const ttl = Math.ceil(keeping.ttl);
    const puts: Promise<boolean>[] = [];
    if (vary !== undefined) {
      puts.push(
        this.#put(keeping, entry, ttl),
        this.#put(keeping, signpostOf(entry, place.hash, vary), ttl),
      );
    } else {
      // Stored variants stay what they are for requests that select one (RFC 9111, section 4.1).
      const known = found.vary === undefined ? entry : { ...entry, vary: found.vary };
      puts.push(this.#put(keeping, known, ttl));
    }
    // A version that ended before its entries would only end them early. What is filled lives on by that.
    const [resource, ...tags] = place.versionKeys;
    const alive = place.isPlain && !found.isTaken ? tags : [resource!, ...tags];
    const extended = alive.map((key) => this.#connection.run(extendScript, key, [ttl]));
    const [written] = await Promise.all([Promise.all(puts), Promise.all(extended)]);
    return written.every(Boolean);
  }

  async #put({ place, found }: Keeping, entry: Entry, ttl: number): Promise<boolean> {
    const encoding = this.#connection.isTextOnly() ? "text" : "bytes";
    if (entry.hash === place.hash && place.isPlain && !found.isTaken) {
      const behind = encodeEntry(entry, encoding, ",");
      const args = [entry.versions[0]!, behind, ttl];
      const [isKept] = await Promise.all([
        this.#connection.run(fillScript, place.versionKeys[0]!, args),
        // Where it stood apart before, it would be found again.
        this.#connection.del(place.variantKey),
      ]);
      return isKept;
    }
    const value = encodeEntry(entry, encoding);
    return this.#connection.set(this.#keyOf(place, entry.hash), value, { ttl });
  }

  /** Takes the place's lock for `age` milliseconds. */
  lead(place: Place, holder: string, versions: readonly string[], age: number): Promise<Lead> {
    const args = [holder, versions.join(" "), age];
    return this.#connection.run(leadScript, this.#lockKey(place), args);
  }

  /** How the place's lock stands for one who waits under `versions`. */
  async lock(place: Place, versions: readonly string[]): Promise<Lead | "free"> {
    return readLock(await this.#connection.get(this.#lockKey(place)), versions.join(" "));
  }

  /** Lets go of the place's lock; says for `note` milliseconds that the response could not be stored. */
  release(place: Place, holder: string, note: number): Promise<void> {
    return this.#connection.run(releaseScript, this.#lockKey(place), [holder, note]);
  }

  #keyOf(place: Place, hash: string): string {
    if (hash === place.hash) return place.variantKey;
    return this.#keys.cacheVariant(place.versionKeys[0]!, hash);
  }

  #lockKey({ path, hash }: Place): string {
    return this.#keys.cacheLock(path, hash);
  }
}

/** The entry that bytes are; none where they are another variant's. */
function read(bytes: Buffer | null | undefined, hash?: string): Entry | undefined {
  const entry = bytes ? decodeEntry(bytes) : undefined;
  return hash === undefined || entry?.hash === hash ? entry : undefined;
}

/** What becomes of an entry under the versions that stand now. */
function judge(
  versions: readonly (string | undefined)[],
  entry: Entry | undefined,
  isTaken: boolean,
): Found {
  const none: Found = {
    versions,
    entry: undefined,
    vary: undefined,
    expiredAt: undefined,
    isTaken,
    isVaryMiss: false,
  };
  if (entry === undefined || entry.versions.length !== versions.length) return none;
  let expiredAt = 0;
  for (const [index, now] of versions.entries()) {
    const since = expiredSince(entry.versions[index]!, now);
    if (since === undefined) return none;
    expiredAt = Math.max(expiredAt, since);
  }
  return { ...none, entry, expiredAt: expiredAt === 0 ? undefined : expiredAt };
}

/** Whether an entry may be served yet, to whatever request. */
function isInUse(entry: Entry, versions: readonly (string | undefined)[]): boolean {
  const end = entry.freshUntil + Math.max(entry.stale, entry.staleIfError);
  // Its tags may be others than those of the request that asks.
  return end > Date.now() && expiredSince(entry.versions[0]!, versions[0]) !== undefined;
}

/** The status of what is no response. */
const SIGNPOST = 0;

/** Stands where a lookup begins, and says by which fields to go on. */
function signpostOf(entry: Entry, hash: string, vary: readonly string[]): Entry {
  return { ...entry, hash, vary, status: SIGNPOST, fields: {}, body: Buffer.alloc(0) };
}
