/**
 * The tier in this process's memory: entries that were read or made here, for a short time. Purges in other
 * processes reach it by PUBLISH; whenever a message may have been missed, it is emptied.
 */
import { LRUCache } from "lru-cache";
import type { MemoryPlan } from "../../config/cache-defaults.ts";
import type { Context } from "../../context.ts";
import type { Entry } from "./entry.ts";
import type { Place } from "./place.ts";

/** An entry, and the request fields that it varies on beside those of its place. */
export interface Made {
  readonly entry: Entry;
  readonly vary?: readonly string[] | undefined;
}

/** Entries of one `cache()`. */
export interface Tier {
  /** The entry at a variant's key, if it is young enough and no purge was heard of. */
  get(place: Place): Entry | undefined;
  /** Tells a purge that was heard of since from none; see {@link put}. */
  generation(): number;
  /**
   * Keeps an entry, unless a purge was heard of since `generation`: what was read before it is old, though
   * it may come after the message.
   */
  put(place: Place, what: Made, generation: number): void;
}

/** The tiers of one kit. */
export interface Tiers {
  /** Opens a tier; none where messages cannot reach this process. */
  open(plan: MemoryPlan | undefined): Tier | undefined;
  /** Takes back all that was made under these versions, here and in all processes. */
  drop(keys: readonly string[]): Promise<void>;
  /** Takes everything back. */
  clear(): Promise<void>;
}

interface Kept {
  /** An entry, or the request fields by which to go on. */
  readonly what: Entry | readonly string[];
  readonly versionKeys: readonly string[];
  /** By `performance.now()`. */
  readonly until: number;
}

/** Bytes of bodies that one tier holds, whatever the number of its entries. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Stands for everything. */
const EVERYTHING = "*";

/** Variants by the versions that they were made under, so that a purge finds them. */
class MemoryTier implements Tier {
  readonly #ttl: number;
  readonly #kept: LRUCache<string, Kept>;
  readonly #under = new Map<string, Set<string>>();
  #generation = 0;
  #isListening = false;

  constructor({ max, ttl }: MemoryPlan) {
    this.#ttl = ttl;
    this.#kept = new LRUCache({
      max,
      maxSize: MAX_BYTES,
      sizeCalculation: ({ what }) => (isVary(what) ? 1 : what.body.length + 1),
      dispose: (kept, variant) => this.#forget(kept, variant),
    });
  }

  get(place: Place): Entry | undefined {
    const { variantKey, select } = place;
    const found = this.#young(variantKey, place);
    if (!isVary(found)) return found;
    const selected = select && this.#young(selectedKey(variantKey, select(found)), place);
    return isVary(selected) ? undefined : selected;
  }

  #young(key: string, { versionKeys }: Place): Kept["what"] | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined || kept.until <= performance.now()) return undefined;
    // Tags may be a request's own: made under others, it may not have heard of this one's purge.
    const isSame =
      kept.versionKeys.length === versionKeys.length &&
      kept.versionKeys.every((version, at) => version === versionKeys[at]);
    return isSame ? kept.what : undefined;
  }

  generation(): number {
    return this.#generation;
  }

  put({ variantKey, versionKeys }: Place, { entry, vary }: Made, generation: number): void {
    if (!this.#isListening || generation !== this.#generation) return;
    // A copy: what was read is a slice of a larger piece of the stream, which it would keep.
    const copy = { ...entry, body: Buffer.from(entry.body) };
    if (vary === undefined) return this.#keep(variantKey, versionKeys, copy);
    this.#keep(variantKey, versionKeys, vary);
    this.#keep(selectedKey(variantKey, entry.hash), versionKeys, copy);
  }

  #keep(key: string, versionKeys: readonly string[], what: Kept["what"]): void {
    if (!isVary(what) && what.body.length >= MAX_BYTES) return;
    this.#kept.set(key, { what, versionKeys, until: performance.now() + this.#ttl });
    for (const version of versionKeys) {
      const variants = this.#under.get(version) ?? new Set();
      this.#under.set(version, variants.add(key));
    }
  }

  #forget({ versionKeys }: Kept, key: string): void {
    for (const version of versionKeys) {
      const variants = this.#under.get(version);
      variants?.delete(key);
      if (variants?.size === 0) this.#under.delete(version);
    }
  }

  drop(keys: readonly string[]): void {
    this.#generation += 1;
    for (const key of keys) {
      if (key === EVERYTHING) this.#kept.clear();
      for (const variant of this.#under.get(key) ?? []) this.#kept.delete(variant);
    }
  }

  listen(isListening: boolean): void {
    this.#isListening = isListening;
    this.drop([EVERYTHING]);
  }
}

function isVary(what: Kept["what"] | undefined): what is readonly string[] {
  return Array.isArray(what);
}

function selectedKey(variantKey: string, hash: string): string {
  return `${variantKey} ${hash}`;
}

/** The keys that a message names; of one that is none of ours, everything is taken to be meant. */
function keysIn(message: string): readonly string[] {
  try {
    const dropped: unknown = JSON.parse(message);
    if (Array.isArray(dropped)) return dropped.map(String);
  } catch {
    // As below.
  }
  return [EVERYTHING];
}

/** Makes a kit's tiers. */
export function createTiers({ connection, keys, notices }: Context): Tiers {
  const { push } = connection;
  const opened: MemoryTier[] = [];
  let isListening = false;
  const told = (dropped: readonly string[]): void => {
    for (const tier of opened) tier.drop(dropped);
  };
  const listen = (now: boolean): void => {
    isListening = now;
    for (const tier of opened) tier.listen(now);
  };
  const tell = async (dropped: readonly string[]): Promise<void> => {
    told(dropped);
    await push?.publish(keys.cacheChannel, JSON.stringify(dropped));
  };
  return {
    open: (plan) => {
      if (plan === undefined) return undefined;
      if (push === undefined) {
        notices.add(
          "cache({ memory }) is left out: this Redis cannot tell other processes of a purge, as REST cannot. Every hit is read from Redis.",
        );
        return undefined;
      }
      const tier = new MemoryTier(plan);
      tier.listen(isListening);
      opened.push(tier);
      if (opened.length === 1) {
        push.subscribe(keys.cacheChannel, {
          message: (text) => told(keysIn(text)),
          subscribed: () => listen(true),
          interrupted: () => listen(false),
        });
      }
      return tier;
    },
    drop: tell,
    clear: () => tell([EVERYTHING]),
  };
}
