/**
 * The token bucket, kept as its debt (which makes it the Generic Cell Rate Algorithm of ITU-T I.371):
 * a request owes `window`, `limit` is paid back every millisecond, and the debt may not exceed
 * `burst` requests.
 *
 * A request that is held does not leak until it is settled: what is given back is then exactly
 * what was taken, and cannot buy more than the bucket ever held.
 */
import type { Algorithm } from "./algorithm.ts";
import { createMetered } from "./metered.ts";
import type { MeterKind } from "./meter.ts";

const kind: MeterKind<"debt" | "updated"> = {
  letter: "b",
  fields: ["debt", "updated"],
  lua: {
    advance: `
  if now > updated then debt = math.max(0, debt - limit * (now - updated)) end
  updated = now`,
    level: "debt",
    count: "debt = debt + cost * window",
    undo: "debt = math.max(0, debt - cost * window)",
    wait: "retry = limit > 0 and math.ceil(excess / limit) or window",
    reset: "(limit > 0 and math.ceil(debt / limit) or window)",
    life: "math.max(0, updated - start) + (limit > 0 and math.ceil(debt / limit) or window)",
  },
  advance: (meter, { limit }, now) => {
    meter.debt = Math.max(0, meter.debt - limit * Math.max(0, now - meter.updated));
    meter.updated = now;
  },
  level: (meter) => meter.debt,
  count: (meter, { window }, cost) => {
    meter.debt += cost * window;
  },
  undo: (meter, { window }, cost) => {
    meter.debt = Math.max(0, meter.debt - cost * window);
  },
  // A limit that has become 0 pays nothing back; the rest is forgotten after a window.
  wait: (_meter, { limit, window }, _now, excess) =>
    limit > 0 ? Math.ceil(excess / limit) : window,
  reset: (meter, quota, now) => kind.wait(meter, quota, now, meter.debt),
  life: (meter, quota) =>
    Math.max(0, meter.updated - meter.start) + kind.wait(meter, quota, meter.updated, meter.debt),
};

/** A steady rate with bursts. */
export const tokenBucket: Algorithm = createMetered(kind);
