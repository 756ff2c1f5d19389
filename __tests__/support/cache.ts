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
