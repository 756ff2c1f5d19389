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
  return window - Math.min(window, Math.max(0, now - start));
}

const kind: MeterKind<"current" | "previous"> = {
  letter: "s",
  fields: ["current", "previous"],
  lua: `
local function left(m, window)
  return window - math.min(window, math.max(0, now - m.start))
end
local function advance(m, limit, window, periods)
  if periods > 0 then m.previous = periods == 1 and m.current or 0 m.current = 0 end
end
local function level(m, limit, window)
  return m.previous * left(m, window) + m.current * window
end
local function count(m, window, token, cost)
  if token == m.start then m.current = math.max(0, m.current + cost)
  else m.previous = math.max(0, m.previous + cost) end
end
local function wait(m, limit, window, excess)
  local rest = m.previous * left(m, window)
  if excess <= rest then return math.ceil(excess / m.previous) end
  return left(m, window) + math.ceil((excess - rest) / m.current)
end
local function reset(m, limit, window)
  return m.start + window - now
end
local function life(m, limit, window)
  return 2 * window
end
`,
  advance: (meter, _quota, _now, periods) => {
    if (periods === 0) return;
    meter.previous = periods === 1 ? meter.current : 0;
    meter.current = 0;
  },
  level: (meter, quota, now) =>
    meter.previous * left(meter, quota, now) + meter.current * quota.window,
  count: (meter, _quota, token, cost) => {
    const field = token === meter.start ? "current" : "previous";
    meter[field] = Math.max(0, meter[field] + cost);
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
