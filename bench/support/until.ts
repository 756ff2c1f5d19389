/** Waiting for a condition. */
import { setTimeout as delay } from "node:timers/promises";

/**
 * Polls until a condition holds.
 *
 * @throws Error after `within` milliseconds (default: 20 s)
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  { within = 20_000, every = 5 }: { within?: number; every?: number } = {},
): Promise<void> {
  const end = performance.now() + within;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`Not within ${within} ms: ${what}`);
    await delay(every);
  }
}
