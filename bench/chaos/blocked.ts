/** A process that stands still while answers wait for it: what is there is no timeout. */
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { compile } from "../support/build.ts";
import { answerOf, ask, end, startScript } from "../support/processes.ts";
import { startRedis } from "../support/redis-server.ts";
import type { Count, Standstill } from "./blocked-process.ts";
import type { Scenario } from "./scenario.ts";

/** Trials of each kind, a round. */
const TRIALS = 5;
/** For how long a process is stopped, in milliseconds. */
const STOPPED = 1000;

const KINDS: Readonly<Record<Standstill["kind"], string>> = {
  "same tick": "event loop blocked 300 ms, in the tick of 50 commands",
  "next tick": "event loop blocked 300 ms, in the tick after 50 commands",
  "after a pause": "event loop blocked 300 ms, in the tick after the first command since 100 ms",
  stopped: "process stopped for 1 s under steady load",
};

async function stop(child: ChildProcess): Promise<Count> {
  const count = ask<Count>(child, { kind: "stopped" });
  await delay(100);
  child.kill("SIGSTOP");
  await delay(STOPPED);
  child.kill("SIGCONT");
  await delay(100);
  child.send("enough");
  return count;
}

/** Runs the scenario. */
export const blocked: Scenario = async (rounds) => {
  const script = compile(new URL("blocked-process.ts", import.meta.url), "blocked-process");
  const server = await startRedis();
  const child = startScript(script, [`${server.port}`]);
  try {
    await answerOf(child);
    const rows: Record<string, string | number>[] = [];
    let failedOfKit = 0;
    for (const kind of Object.keys(KINDS) as Standstill["kind"][]) {
      const totals: Record<string, { failed: number; sent: number }> = {};
      for (let trial = 0; trial < rounds * TRIALS; trial += 1) {
        const count = await (kind === "stopped" ? stop(child) : ask<Count>(child, { kind }));
        for (const [name, { failed, sent }] of Object.entries(count)) {
          const total = (totals[name] ??= { failed: 0, sent: 0 });
          total.failed += failed;
          total.sent += sent;
        }
      }
      const cells = Object.entries(totals).map(([name, { failed, sent }]) => [
        name,
        `${failed} of ${sent}`,
      ]);
      rows.push({ standstill: KINDS[kind], ...Object.fromEntries(cells) });
      failedOfKit += totals["kit"]!.failed;
    }
    return {
      tables: [{ title: `Spurious failures, ${rounds * TRIALS} standstills of each kind`, rows }],
      goals: [{ text: `none of the kit's (${failedOfKit})`, met: failedOfKit === 0 }],
    };
  } finally {
    await end(child);
    await server.stop();
  }
};
