/** Rate limiters side by side: traffic that is allowed, and a flood that is refused. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { LOAD_CORE, profileFlags, readArguments, SERVER_CORE } from "../support/arguments.ts";
import { compile } from "../support/build.ts";
import { answerOf, end, pin, startScript } from "../support/processes.ts";
import { startRedis } from "../support/redis-server.ts";
import { printReport } from "../support/report.ts";
import { type Finding, load } from "./load.ts";
import { reportOf, SERVERS } from "./results.ts";

/** What a refusal of the kit's says, for the bare servers to answer as much. */
const REFUSAL = JSON.stringify({
  type: "https://iana.org/assignments/http-problem-types#quota-exceeded",
  "violated-policies": ["api"],
  title: "Too many requests",
  status: 429,
});

const TRAFFIC = {
  allowed: { limit: 1e9, status: 200, body: "ok" },
  refused: { limit: 1, status: 429, body: REFUSAL },
} as const;

const values = readArguments({ rounds: 5, ms: 2000 });

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
}

async function main(): Promise<void> {
  const script = compile(new URL("server-process.ts", import.meta.url), "rate-limit-server");
  const redis = await startRedis({ core: LOAD_CORE });
  pin(process.pid, LOAD_CORE);
  const names = SERVERS.filter((name) => name.startsWith("bare") || name.includes(values.only));
  const servers: Server[] = [];
  const results = new Map<string, Map<string, Finding[]>>();
  try {
    for (const [traffic, { limit, status, body }] of Object.entries(TRAFFIC)) {
      await redis.client.flushall();
      const findings = new Map<string, Finding[]>(names.map((name) => [name, []]));
      results.set(traffic, findings);
      const running = new Map<string, Server>();
      for (const name of names) {
        const flags = profileFlags(values.profile, traffic, name);
        const child = startScript(
          script,
          [name, `${redis.port}`, `${limit}`, `${status}`, body],
          flags,
        );
        pin(child.pid, SERVER_CORE);
        const server = { child, port: await answerOf<number>(child) };
        running.set(name, server);
        servers.push(server);
        await load(child, server.port, status, values.ms / 2, redis); // Warm-up, and the one request that is allowed.
      }
      for (let round = 0; round < values.rounds; round += 1) {
        const shift = round % names.length;
        for (const name of [...names.slice(shift), ...names.slice(0, shift)]) {
          const { child, port } = running.get(name)!;
          findings.get(name)!.push(await load(child, port, status, values.ms, redis));
        }
      }
      for (const { child } of running.values()) {
        const exited = once(child, "exit");
        child.send("end");
        await exited;
      }
    }
  } finally {
    await Promise.all(servers.map(({ child }) => end(child)));
    await redis.stop();
  }
  const report = reportOf(results);
  printReport(report, values.json);
  if (values.check && report.goals.some(({ met }) => !met)) process.exitCode = 1;
}

await main();
// The peers' clients may keep sockets and timers for what they still wait for.
process.exit();
