/** Whether Redis's clock and this process's agree. */
import { ask, named, type Server } from "../ask.ts";
import type { Check } from "../examination.ts";
import { cannotTell, type Finding, ok, warning, worst } from "../finding.ts";
import { ms } from "../figures.ts";

/** Milliseconds. */
const TOLERABLE = 1000;
const TRIES = 3;

interface Offset {
  /** Milliseconds that Redis is ahead. */
  readonly offset: number;
  /** Milliseconds by which that may be wrong: half the way there and back. */
  readonly error: number;
}

async function measure({ sender }: Server, now: () => number): Promise<Offset | string> {
  let best: Offset | undefined;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const started = performance.now();
    const before = now();
    // eslint-disable-next-line no-await-in-loop -- the quickest answer is the most exact
    const { reply, denied } = await ask<[string, string]>(sender, ["TIME"]);
    if (denied !== undefined) return denied;
    const error = (performance.now() - started) / 2;
    const theirs = Number(reply[0]) * 1000 + Number(reply[1]) / 1000;
    const offset = Math.round(theirs - (before + error));
    if (best === undefined || error < best.error) best = { offset, error };
  }
  return best!;
}

function judge(server: Server, measured: Offset | string): Finding {
  if (typeof measured === "string") return cannotTell(clock, named(server, measured));
  const { offset, error } = measured;
  const size = Math.abs(offset);
  const side = offset < 0 ? "behind" : "ahead of";
  const detail = named(server, `Redis is ${ms(size)} ${side} this process (± ${ms(error)})`);
  const data = { offset, error: Math.round(error * 100) / 100 };
  if (size <= TOLERABLE + error) return ok(clock, detail, data);
  return warning(clock, {
    detail: `${detail}.`,
    why: "Limits and TTLs run by Redis's clock, cookies and the absolute end of sessions by the application's: the two then end at different times.",
    fix: "Synchronise both machines with NTP; `timedatectl` and `chronyc tracking` show which of the two is off.",
    data,
  });
}

/** The server that is furthest off. */
export const clock: Check = {
  id: "clocks",
  title: "clocks",
  run: async ({ servers, now }) => {
    const measured = await Promise.all(servers.map((one) => measure(one, now)));
    return worst(servers.map((one, index) => judge(one, measured[index]!)));
  },
};
