/** What `cache()`, `cache.wrap()` and the purges of one kit share. */
import { type Context, reporter } from "../context.ts";
import type { KitError } from "../errors.ts";
import { Coalescing } from "./coalescing.ts";
import { createTeller, type Teller } from "./counts.ts";
import { Overdue } from "./overdue.ts";
import { CacheStore } from "./store/store.ts";
import { createTiers, type Tiers } from "./store/tier.ts";
import { expireScript, expiryStamp } from "./store/version.ts";

/** Made once a kit. */
export interface Engine {
  readonly store: CacheStore;
  readonly coalescing: Coalescing;
  readonly tiers: Tiers;
  readonly teller: Teller;
  readonly overdue: Overdue;
  /** Tells what was survived, by the event `redis-error`. */
  readonly report: (during: string) => (error: unknown) => void;
  /** Takes back all that was made under these versions; answers whether there was anything. */
  drop(keys: readonly string[]): Promise<boolean>;
  /** Calls all that was made under a version stale; answers whether there was anything. */
  expire(key: string): Promise<boolean>;
  /** As {@link drop}; a failure is told, and tried again. */
  dropQuietly(keys: readonly string[]): Promise<void>;
}

/** Makes a kit's engine. */
export function createEngine(context: Context): Engine {
  const report = reporter(context);
  const store = new CacheStore(context);
  const tiers = createTiers(context);
  const { connection } = context;
  const noteAll = (keys: readonly string[]): void => {
    for (const key of keys) context.prefetch.changes.note(key);
  };
  const tellOthers = (keys: readonly string[]): Promise<void> =>
    // What is in other processes' memory ends soon by itself.
    tiers.drop(keys).catch(report("telling other processes of a purge"));
  const drop = async (keys: readonly string[]): Promise<boolean> => {
    try {
      const dropped = await Promise.all(keys.map((key) => connection.del(key)));
      return dropped.some(Boolean);
    } finally {
      noteAll(keys);
      // What is in memory here goes in any case; after Redis, from where it would be read again.
      await tellOthers(keys);
    }
  };
  const overdue = new Overdue(async (key) => {
    try {
      await connection.del(key);
      noteAll([key]);
      await tiers.drop([key]).catch(() => {}); // Told when it was first tried.
      return true;
    } catch (error) {
      return (error as KitError).code === "KIT_CLOSED";
    }
  });
  return {
    store,
    tiers,
    report,
    coalescing: new Coalescing(store, report("coalescing")),
    teller: createTeller(context.events),
    drop,
    overdue,
    dropQuietly: async (keys) => {
      try {
        await drop(keys);
      } catch (error) {
        report("purging the cache")(error);
        overdue.add(keys);
      }
    },
    expire: async (key) => {
      try {
        return await connection.run(expireScript, key, [expiryStamp(Date.now())]);
      } finally {
        noteAll([key]);
        await tellOthers([key]);
      }
    },
  };
}
