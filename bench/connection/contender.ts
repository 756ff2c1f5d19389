/** One contender's process: measures rows when asked, so that its CPU time is its own. */
import { setTimeout as delay } from "node:timers/promises";
import { type Contender, CONTENDERS } from "./contenders.ts";
import { keyOf, type Measurement, type Question } from "./rows.ts";

/** Keeps `inFlight` commands under way for `ms`. */
async function measure(
  work: () => Promise<unknown>,
  inFlight: number,
  ms: number,
): Promise<Measurement> {
  let commands = 0;
  let failed = 0;
  let isOver = false;
  const loop = async (): Promise<void> => {
    while (!isOver) {
      try {
        await work();
        commands += 1;
      } catch {
        failed += 1;
        await delay(10); // What fails at once would leave no time for anything else.
      }
    }
  };
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const loops = Array.from({ length: inFlight }, loop);
  await delay(ms);
  isOver = true;
  await Promise.all(loops);
  const elapsed = performance.now() - started;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { commands, failed, elapsed, cpu: user + system };
}

async function main(name: string, tcpPort: number, tlsPort: number, ca: string): Promise<void> {
  const open = CONTENDERS[name]!;
  const contenders: Record<Question["row"]["transport"], Contender> = {
    tcp: await open({ port: tcpPort, ca: undefined }),
    tls: await open({ port: tlsPort, ca }),
  };
  process.on("message", (message) => {
    if (message === "end") process.exit(0); // Ends a CPU profile too.
    const { row, ms } = message as Question;
    const contender = contenders[row.transport];
    const key = keyOf(name, row);
    const work = row.command === "get" ? () => contender.get(key) : () => contender.evalsha(key);
    measure(work, row.inFlight, ms).then(
      (measurement) => process.send?.(measurement),
      (error: unknown) => {
        process.stderr.write(`${name}: ${String(error)}\n`);
        process.exit(1);
      },
    );
  });
  process.send?.("ready");
}

const [name, tcpPort, tlsPort, ca] = process.argv.slice(2);
await main(name!, Number(tcpPort), Number(tlsPort), ca!);
