/** A black hole: the sockets that are open go silent without an end, while new connections work. */
import { setTimeout as delay } from "node:timers/promises";
import { startPace } from "../support/pace.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { printMs, type Report } from "../support/report.ts";
import { median, worst } from "../support/statistics.ts";
import { startProxy } from "../support/tcp-proxy.ts";
import { type CountingClient, openIoredis, openKit, openNodeRedis, type Place } from "./clients.ts";
import { createLedger } from "./ledger.ts";
import { DEADLINE, type Scenario } from "./scenario.ts";

/** Commands a second. */
const RATE = 100;
/** Milliseconds before the silence. */
const BEFORE = 500;
/** How long a client is given to recover. */
const BOUND = 10_000;

interface Trial {
  readonly recovery: number;
  readonly worstAnswer: number;
  readonly doubled: number;
  readonly lost: number;
}

async function tryOne(
  server: RedisServer,
  key: string,
  open: (place: Place) => CountingClient | Promise<CountingClient>,
): Promise<Trial> {
  const proxy = await startProxy(server.port);
  const client = await open({ kind: "standalone", port: proxy.port });
  await client.ready();
  const ledger = createLedger(client);
  const pace = startPace(RATE, () => ledger.increment(key));
  await delay(BEFORE);
  proxy.silence();
  const silentAt = performance.now();
  while (performance.now() - silentAt < BOUND && ledger.recovery(silentAt) === Infinity) {
    await delay(10);
  }
  await pace.stop(500);
  const counted = Number(await server.client.get(key));
  const trial = {
    recovery: ledger.recovery(silentAt),
    worstAnswer: ledger.settling().worst,
    ...ledger.judge(() => counted),
  };
  client.close();
  await proxy.stop();
  return trial;
}

/** Runs the scenario: the kit's trials one after another, the peers' all at once, since each takes the whole bound. */
export const blackHole: Scenario = async (rounds) => {
  const server = await startRedis();
  try {
    const found: Record<string, Trial[]> = { kit: [], ioredis: [], "node-redis": [] };
    for (let round = 0; round < rounds * 5; round += 1) {
      found["kit"]!.push(await tryOne(server, `kit:${round}`, openKit));
    }
    const peers = { ioredis: openIoredis, "node-redis": openNodeRedis };
    await Promise.all(
      Object.entries(peers).flatMap(([name, open]) =>
        [1, 2, 3].map(async (round) => {
          found[name]!.push(await tryOne(server, `${name}:${round}`, open));
        }),
      ),
    );
    return reportOf(found);
  } finally {
    await server.stop();
  }
};

function reportOf(found: Record<string, Trial[]>): Report {
  const rows = Object.entries(found).map(([client, trials]) => ({
    client,
    trials: trials.length,
    "recovery, median": printMs(median(trials.map(({ recovery }) => recovery)), BOUND),
    "recovery, worst": printMs(worst(trials.map(({ recovery }) => recovery)), BOUND),
    "slowest answer": printMs(worst(trials.map(({ worstAnswer }) => worstAnswer))),
    lost: worst(trials.map(({ lost }) => lost)),
    doubled: worst(trials.map(({ doubled }) => doubled)),
  }));
  const own = found["kit"]!;
  const slowest = worst(own.map(({ recovery }) => recovery));
  const answer = worst(own.map(({ worstAnswer }) => worstAnswer));
  return {
    tables: [{ title: "Black hole: from the silence to the first answer", rows }],
    goals: [
      { text: `recovered within 1 s (worst ${printMs(slowest, BOUND)})`, met: slowest < 1000 },
      {
        text: `every command settled within ${DEADLINE + 50} ms (worst ${printMs(answer)})`,
        met: answer <= DEADLINE + 50,
      },
      {
        text: "no command ran twice, no answer was lost",
        met: own.every(({ lost, doubled }) => lost + doubled === 0),
      },
    ],
    data: found,
  };
}
