/** Absent at the start: the kit is there first, and Redis comes some time later. */
import { setTimeout as delay } from "node:timers/promises";
import { startPace } from "../support/pace.ts";
import { createRedis } from "../support/redis-server.ts";
import { printMs } from "../support/report.ts";
import { median, worst } from "../support/statistics.ts";
import { openKit } from "./clients.ts";
import { createLedger } from "./ledger.ts";
import type { Scenario } from "./scenario.ts";

/** Commands a second. */
const RATE = 100;
/** Redis comes after this many milliseconds, and after as many more again, spread over the trials. */
const EARLIEST = 200;
const SPREAD = 3000;
const AT_ONCE = 5;
const GOAL = 1000;
/** How long the kit is given, in milliseconds. */
const BOUND = 10_000;

/** Milliseconds from the moment at which redis-server accepts connections to the first success. */
async function tryOne(absence: number): Promise<number> {
  const server = await createRedis();
  const client = openKit({ kind: "standalone", port: server.port });
  const ledger = createLedger(client);
  const pace = startPace(RATE, () => ledger.increment("count"));
  try {
    await delay(absence);
    await server.start();
    const acceptsAt = performance.now();
    const end = acceptsAt + BOUND;
    while (performance.now() < end && ledger.recovery(0) === Infinity) await delay(5);
    return Math.max(0, ledger.recovery(0) - acceptsAt);
  } finally {
    await pace.stop(500);
    client.close();
    await server.stop();
  }
}

/** Runs the scenario. */
export const absent: Scenario = async (rounds) => {
  const trials = Math.ceil((rounds * 50) / 3);
  const found: number[] = [];
  for (let begun = 0; begun < trials; begun += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, trials - begun) }, (_, index) =>
      tryOne(EARLIEST + (SPREAD * (begun + index)) / trials),
    );
    found.push(...(await Promise.all(batch)));
  }
  const inTime = found.filter((ms) => ms <= GOAL).length;
  return {
    tables: [
      {
        title: "Absent at the start: from Redis accepting connections to the first success",
        rows: [
          {
            trials,
            median: printMs(median(found)),
            worst: printMs(worst(found), BOUND),
            "within 1 s": `${inTime} of ${trials}`,
          },
        ],
      },
    ],
    goals: [{ text: `all within 1 s (${inTime} of ${trials})`, met: inTime === trials }],
    data: found,
  };
};
