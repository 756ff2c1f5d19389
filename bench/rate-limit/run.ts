/** Rate limiters side by side: traffic that is allowed, and a flood that is refused. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { compile } from "../support/build.ts";
import { answerOf, end, pin, startScript } from "../support/processes.ts";
import { startRedis } from "../support/redis-server.ts";
import { printReport } from "../support/report.ts";
import { type Finding, load } from "./load.ts";
import { reportOf, SERVERS } from "./results.ts";

const LOAD_CORE = 0;
const SERVER_CORE = 1;

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

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    ms: { type: "string", default: "2000" },
    /** Only servers whose name holds this text, and the bare ones. */
    only: { type: "string", default: "" },
    /** A folder for the CPU profiles of all servers. */
    profile: { type: "string" },
    json: { type: "boolean", default: false },
    /** Fails where a goal is missed. */
    check: { type: "boolean", default: false },
  },
});

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
        const flags =
          values.profile === undefined
            ? []
            : [
                "--cpu-prof",
                `--cpu-prof-dir=${values.profile}/${traffic}-${name.replaceAll(/\W+/g, "-")}`,
              ];
        const child = startScript(
          script,
          [name, `${redis.port}`, `${limit}`, `${status}`, body],
          flags,
        );
        pin(child.pid, SERVER_CORE);
        const server = { child, port: await answerOf<number>(child) };
        running.set(name, server);
        servers.push(server);
        await load(child, server.port, status, Number(values.ms) / 2, redis); // Warm-up, and the one request that is allowed.
      }
      for (let round = 0; round < Number(values.rounds); round += 1) {
        const shift = round % names.length;
        for (const name of [...names.slice(shift), ...names.slice(0, shift)]) {
          const { child, port } = running.get(name)!;
          findings.get(name)!.push(await load(child, port, status, Number(values.ms), redis));
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
