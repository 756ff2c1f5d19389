/** What became of requests, counted by template in this process, and told as events. */
import type { CacheEvent, Events } from "../observe/events.ts";

/** Counts of one template. */
export interface CacheCounts {
  /** Answered from what is fresh. */
  hit: number;
  /** Answered from what is stale. */
  stale: number;
  /** Answered by a handler or a loader. */
  miss: number;
  /** Answered with what another request's handler made meanwhile. */
  collapsed: number;
  /** Stored. */
  stored: number;
  /** By reason. */
  bypass: Record<string, number>;
  /** By reason. */
  refused: Record<string, number>;
}

/** Counts what it tells. */
export interface Teller {
  tell(template: string, outcome: CacheEvent["outcome"], detail?: string): void;
  /** A copy of the counts, by template. */
  counts(): Record<string, CacheCounts>;
}

/** Templates that are counted apart. `wrap` takes keys that are made as it goes; those beyond count together. */
const MAX = 1000;
const OTHERS = "(others)";

/** Makes a kit's teller. */
export function createTeller(events: Events): Teller {
  const known = new Map<string, CacheCounts>();
  const countsOf = (template: string): CacheCounts => {
    const found = known.get(template);
    if (found !== undefined) return found;
    if (known.size >= MAX && template !== OTHERS) return countsOf(OTHERS);
    const made: CacheCounts = {
      hit: 0,
      stale: 0,
      miss: 0,
      collapsed: 0,
      stored: 0,
      bypass: {},
      refused: {},
    };
    known.set(template, made);
    return made;
  };
  return {
    tell: (template, outcome, detail) => {
      const counts = countsOf(template);
      if (outcome === "bypass" || outcome === "refused") {
        const reason = detail ?? "unknown";
        counts[outcome][reason] = (counts[outcome][reason] ?? 0) + 1;
      } else counts[outcome] += 1;
      events.emit("cache", { template, outcome, ...(detail !== undefined && { detail }) });
    },
    counts: () => structuredClone(Object.fromEntries(known)),
  };
}
