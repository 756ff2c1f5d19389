/** A master that is killed or frozen under a load of counted increments, and what its successor counted. */
import { setTimeout as delay } from "node:timers/promises";
import { startPace } from "../support/pace.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { printMs, type Report, type Table } from "../support/report.ts";
import { median, worst } from "../support/statistics.ts";
import { until } from "../support/until.ts";
import { openAll, type Place } from "./clients.ts";
import { createLedger, type Ledger, type Verdict } from "./ledger.ts";
import { DEADLINE } from "./scenario.ts";

/** A deployment with a master that may fail. */
export interface Deployment {
  readonly place: Place;
  readonly master: RedisServer;
  /** Whether the deployment itself has a new master, and says so. */
  hasSuccessor(this: void): Promise<boolean>;
  /** Whether a key is the failing master's. */
  isAffected(this: void, key: string): boolean;
  /** Who holds a key once the failover is over. */
  holderOf(key: string): Promise<RedisServer>;
  /** Who is master by its own account and by others', in a few words. */
  describe(this: void): Promise<string>;
  stop(): Promise<void>;
}

/** What happens to the master. */
type Fault = "killed" | "frozen";

/** Increments a second of each client. */
const RATE = 200;
const KEYS = 60;
const BEFORE = 2000;
/** When a frozen master goes on, and when the load ends, in milliseconds after the fault. */
const THAW = 6000;
const AFTER = 10_000;

interface Finding extends Verdict {
  readonly client: string;
  /** Who was master when, in milliseconds after the fault. */
  readonly history: readonly string[];
  readonly sent: number;
  readonly failed: number;
  readonly failures: string;
  /** The longest time without an answer for the keys of the failed master. */
  readonly gap: number;
  /** The same for keys of other masters; NaN where there are none. */
  readonly otherGap: number;
  /** From the promotion of a replica to the first answer for those keys. */
  readonly recovery: number;
  readonly slowest: number;
}

async function countsOf(deployment: Deployment, ledger: Ledger): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const key of ledger.keys()) {
    const holder = await deployment.holderOf(key);
    counts.set(key, Number(await holder.client.get(key)));
  }
  return counts;
}

/** Notes whenever the deployment changes, until it is told to end. */
function watch({ describe }: Deployment) {
  const started = performance.now();
  const history: string[] = [];
  let isOver = false;
  let last = "";
  const loop = async (): Promise<void> => {
    while (!isOver) {
      const now = await describe();
      if (now !== last) history.push(`${Math.round(performance.now() - started)}: ${now}`);
      last = now;
      await delay(50);
    }
  };
  const looping = loop();
  return {
    end: async (): Promise<readonly string[]> => {
      isOver = true;
      await looping;
      return history;
    },
  };
}

/** Fails the master; answers when it had a successor. */
async function fail(deployment: Deployment, fault: Fault): Promise<number> {
  const { master, hasSuccessor } = deployment;
  const failedAt = performance.now();
  master.signal(fault === "killed" ? "SIGKILL" : "SIGSTOP");
  await until(hasSuccessor, "a replica is promoted", { within: AFTER });
  const promotedAt = performance.now();
  if (fault === "frozen") {
    await delay(Math.max(0, failedAt + THAW - performance.now()));
    master.signal("SIGCONT");
  }
  await delay(Math.max(0, failedAt + AFTER - performance.now()));
  return promotedAt;
}

async function tryOne(make: () => Promise<Deployment>, fault: Fault): Promise<Finding[]> {
  const deployment = await make();
  try {
    const clients = await openAll(deployment.place);
    const accounts = clients.map((client) => ({ client, ledger: createLedger(client) }));
    const paces = accounts.map(({ client, ledger }) =>
      startPace(RATE, (index) => ledger.increment(`${client.name}:${index % KEYS}`)),
    );
    await delay(BEFORE);
    const watching = watch(deployment);
    const promotedAt = await fail(deployment, fault);
    await Promise.all(paces.map((pace) => pace.stop(5000)));
    const history = await watching.end();
    const findings = [];
    for (const { client, ledger } of accounts) {
      const counts = await countsOf(deployment, ledger);
      findings.push({
        client: client.name,
        history,
        sent: ledger.sent(),
        failed: ledger.failures(),
        failures: ledger.failuresByCode(),
        gap: ledger.longestGap(deployment.isAffected),
        otherGap: ledger.longestGap((key) => !deployment.isAffected(key)),
        recovery: ledger.recovery(promotedAt, deployment.isAffected),
        slowest: ledger.settling().worst,
        ...ledger.judge((key) => counts.get(key)!),
      });
      client.close();
    }
    return findings;
  } finally {
    await deployment.stop();
  }
}

function tableOf(title: string, findings: readonly Finding[]): Table {
  const names = [...new Set(findings.map(({ client }) => client))];
  const rows = names.map((client) => {
    const own = findings.filter((finding) => finding.client === client);
    return {
      client,
      sent: median(own.map(({ sent }) => sent)),
      "failed, median": median(own.map(({ failed }) => failed)),
      worst: worst(own.map(({ failed }) => failed)),
      "longest gap, median": printMs(median(own.map(({ gap }) => gap))),
      "gap, worst": printMs(worst(own.map(({ gap }) => gap))),
      "other masters, worst": printMs(worst(own.map(({ otherGap }) => otherGap))),
      "after promotion, worst": printMs(worst(own.map(({ recovery }) => recovery)), AFTER),
      "slowest settled": printMs(worst(own.map(({ slowest }) => slowest))),
      "lost, worst": worst(own.map(({ lost }) => lost)),
      "doubled, worst": worst(own.map(({ doubled }) => doubled)),
    };
  });
  return { title, rows };
}

/** Runs both faults and reports on them. */
export async function failoverReport(
  name: string,
  make: () => Promise<Deployment>,
  rounds: number,
): Promise<Report> {
  const found: Record<Fault, Finding[]> = { killed: [], frozen: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const fault of ["killed", "frozen"] as const) {
      found[fault].push(...(await tryOne(make, fault)));
    }
  }
  const own = Object.values(found)
    .flat()
    .filter(({ client }) => client === "kit");
  const slowest = worst(own.map(({ slowest: ms }) => ms));
  const recovery = worst(own.map(({ recovery: ms }) => ms));
  return {
    tables: (["killed", "frozen"] as const).map((fault) =>
      tableOf(
        `${name}, master ${fault}, ${rounds} rounds, ${RATE} increments a second`,
        found[fault],
      ),
    ),
    goals: [
      { text: "nothing ran twice", met: own.every(({ doubled }) => doubled === 0) },
      {
        text: `every command settled within ${DEADLINE + 50} ms (worst ${printMs(slowest)})`,
        met: slowest <= DEADLINE + 50,
      },
      {
        text: `served again within 1 s of the promotion (worst ${printMs(recovery, AFTER)})`,
        met: recovery < 1000,
      },
    ],
    data: found,
  };
}
