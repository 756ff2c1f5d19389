/** The event `limited`: the first refusal of an identity in a window, and then how many there were. */
import { LRUCache } from "lru-cache";
import { type Context, perKit } from "../context.ts";
import type { LimitedEvent } from "../observe/events.ts";

/** Identities whose refusals are counted at once; beyond it the least recently refused goes. */
const MOST = 10_000;

interface Report {
  readonly until: number;
  repeats: number;
}

/** Tells of a refusal, unless the same identity's was told within `window` milliseconds. */
export type ReportRefusal = (event: Omit<LimitedEvent, "repeats">, window: number) => void;

/** What tells of a kit's refusals. */
export const refusalReportsOf: (context: Context) => ReportRefusal = perKit(createReporter);

function createReporter({ events }: Context): ReportRefusal {
  const reports = new LRUCache<string, Report>({ max: MOST });
  return (event, window) => {
    const now = performance.now();
    const before = reports.get(event.key);
    if (before !== undefined && before.until > now) {
      before.repeats += 1;
      return;
    }
    reports.set(event.key, { until: now + window, repeats: 0 });
    events.emit("limited", { ...event, repeats: before?.repeats ?? 0 });
  };
}
