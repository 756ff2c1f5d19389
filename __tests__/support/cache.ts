/** Watching a cache: a response is stored after it was sent, so a test has to wait for it. */
import type { Kit, KitEvents } from "express-redis-kit";
import { until } from "./redis-server.ts";

/** What a kit's caches did. */
export interface CacheLog {
  readonly events: KitEvents["cache"][];
  /** Outcomes in order. */
  outcomes(): string[];
  /** Waits until so many responses were stored or refused in all. */
  settled(count: number): Promise<void>;
}

/** Begins to watch. */
export function watchCache(kit: Kit): CacheLog {
  const events: KitEvents["cache"][] = [];
  kit.on("cache", (event) => void events.push(event));
  return {
    events,
    outcomes: () => events.map(({ outcome }) => outcome),
    settled: (count) =>
      until(
        () =>
          events.filter(({ outcome }) => outcome === "stored" || outcome === "refused").length >=
          count,
        `${count} responses were stored or refused`,
      ),
  };
}

/** Gives every request that has come the time of several round trips: whoever is not held up has reached its handler. */
export async function afterRoundTrips(kit: Kit): Promise<void> {
  for (let trips = 0; trips < 10; trips++) {
    await kit.health();
    await new Promise((resolve) => void setImmediate(resolve));
  }
}
