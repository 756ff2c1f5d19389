/** An open loop: work begins when its time has come, whatever became of the work before. */
import { setTimeout as delay } from "node:timers/promises";

/** Begins `work` `rate` times a second until it is told to stop. */
export interface Pace {
  /** Begins nothing any more, and waits at most `within` milliseconds for what began to end. */
  stop(within: number): Promise<void>;
}

/** Starts an open loop. What a late timer missed is begun at once. */
export function startPace(rate: number, work: (index: number) => Promise<unknown>): Pace {
  const started = performance.now();
  const underWay = new Set<Promise<unknown>>();
  let isOver = false;
  let begun = 0;
  const loop = async (): Promise<void> => {
    while (!isOver) {
      const due = ((performance.now() - started) / 1000) * rate;
      for (; begun < due; begun += 1) {
        const one = work(begun).finally(() => underWay.delete(one));
        underWay.add(one);
      }
      await delay(Math.max(1, Math.min(1000 / rate, 5)));
    }
  };
  const looping = loop();
  return {
    stop: async (within) => {
      isOver = true;
      await looping;
      await Promise.race([Promise.all(underWay), delay(within)]);
    },
  };
}
