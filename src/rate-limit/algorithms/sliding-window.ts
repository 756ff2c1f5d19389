/**
 * The sliding window: two counters, the previous window's weighted by how much of it is still in view.
 *
 * A request that is held counts in full until it is settled, and in the window of that moment then.
 */
import type { Algorithm, Quota } from "./algorithm.ts";
import { createMetered } from "./metered.ts";
import type { Meter, MeterKind } from "./meter.ts";

type Counters = Meter<"current" | "previous">;

/** How much of the current window is still to come, and of the previous one still in view. */
function left({ start }: Counters, { window }: Quota, now: number): number {
  return Math.min(window, window - now + start);
}

const kind: MeterKind<"current" | "previous"> = {
  letter: "s",
  fields: ["current", "previous"],
  lua: {
    advance: `
  if periods == 1 then current, previous = 0, current
  elseif periods == 2 then current, previous = 0, 0 end
  local left = window - now + start
  if left > window then left = window end`,
    level: "(previous * left + current * window)",
    count: "current = current + cost",
    undo: `
    if token == start then current = math.max(0, current - cost)
    else previous = math.max(0, previous - cost) end`,
    wait: `
      local rest = previous * left
      if excess <= rest then retry = math.ceil(excess / previous)
      else retry = left + math.ceil((excess - rest) / current) end`,
    reset: "start + window - now",
    life: "2 * window",
  },
  advance: (meter, _quota, _now, periods) => {
    if (periods === 0) return;
    meter.previous = periods === 1 ? meter.current : 0;
    meter.current = 0;
  },
  level: (meter, quota, now) =>
    meter.previous * left(meter, quota, now) + meter.current * quota.window,
  count: (meter, _quota, cost) => {
    meter.current += cost;
  },
  undo: (meter, _quota, cost, token) => {
    const field = token === meter.start ? "current" : "previous";
    meter[field] = Math.max(0, meter[field] - cost);
  },
  wait: (meter, quota, now, excess) => {
    const remainder = left(meter, quota, now);
    const rest = meter.previous * remainder;
    if (excess <= rest) return Math.ceil(excess / meter.previous);
    return remainder + Math.ceil((excess - rest) / meter.current);
  },
  reset: (meter, { window }, now) => meter.start + window - now,
  life: (_meter, { window }) => 2 * window,
};

/** The default: no burst at a window's edge. */
export const slidingWindow: Algorithm = createMetered(kind);
