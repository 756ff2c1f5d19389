/** How long an answer takes, against the time that a request is willing to wait for it. */
import { PATIENCE } from "../ask.ts";
import type { Check } from "../examination.ts";
import { failure, ok, warning } from "../finding.ts";
import { ms } from "../figures.ts";

const PINGS = 20;
/** Milliseconds after which fewer pings will have to do. */
const LONG_ENOUGH = 3000;

/** Two digits after the point are enough for a program too. */
function round(time: number): number {
  return Math.round(time * 100) / 100;
}

/** Sends PINGs one after the other, to each server in turn. */
export const latency: Check = {
  id: "latency",
  title: "latency",
  run: async ({ servers, config: { deadline } }) => {
    const times: number[] = [];
    const end = performance.now() + LONG_ENOUGH;
    for (let ping = 0; ping < PINGS && (ping === 0 || performance.now() < end); ping++) {
      const { sender } = servers[ping % servers.length]!;
      const started = performance.now();
      // eslint-disable-next-line no-await-in-loop -- one at a time, or they would measure each other
      await sender.send(["PING"], { within: PATIENCE });
      times.push(performance.now() - started);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const median = round(sorted[Math.floor(sorted.length / 2)]!);
    const slowest = round(sorted.at(-1)!);
    const data = { median, worst: slowest, pings: times.length, deadline };
    const detail = `median ${ms(median)}, worst ${ms(slowest)} of ${times.length} pings, deadline ${ms(deadline)}`;
    if (slowest <= deadline / 2) return ok(latency, detail, data);
    const trouble = {
      detail: `${detail}.`,
      why: "A command that takes longer than the deadline counts as failed, although Redis may be well.",
      fix: `Move the application closer to Redis, look for slow commands (the check 'slow commands'), or raise the deadline: createKit({ deadline: ${Math.ceil(slowest / 25) * 100} }).`,
      data,
    };
    return median > deadline ? failure(latency, trouble) : warning(latency, trouble);
  },
};
