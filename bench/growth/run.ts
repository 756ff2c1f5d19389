/** Growth: the whole stack with more connections, with more identities, and for longer. */
import { parseArgs } from "node:util";
import { LOAD_CORE } from "../support/arguments.ts";
import { compile } from "../support/build.ts";
import { pin } from "../support/processes.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { printReport, type Report } from "../support/report.ts";
import { runConnections } from "./connections.ts";
import { type Figures, readFigures, writeFigures } from "./figures.ts";
import { runIdentities } from "./identities.ts";
import { writePage } from "./page.ts";
import { reportOf } from "./results.ts";
import { runSoak } from "./soak.ts";

const PARTS = ["connections", "identities", "soak"] as const;

const { values } = parseArgs({
  options: {
    /** Only this one. */
    part: { type: "string" },
    /** Of the parts `connections` and `identities`, and how many milliseconds each lasts. */
    rounds: { type: "string", default: "5" },
    ms: { type: "string", default: "3000" },
    /** Of the part `identities`: how many there are, from the fewest to the most. */
    identities: { type: "string", default: "10,10000,1000000" },
    /** How many seconds those have for coming who did not in the rounds. */
    most: { type: "string", default: "600" },
    /** Of the part `soak`, and how many seconds one has. */
    minutes: { type: "string", default: "10" },
    minute: { type: "string", default: "60" },
    members: { type: "string", default: "12000" },
    strangers: { type: "string", default: "55000" },
    json: { type: "boolean", default: false },
    /** Fails where a goal is missed. */
    check: { type: "boolean", default: false },
    /** Keeps the figures, and writes docs/performance.md anew. */
    write: { type: "boolean", default: false },
    /** Measures nothing: writes the page of the figures that are kept. */
    draw: { type: "boolean", default: false },
  },
});

/** Runs the parts that are wanted, one after the other. */
async function measure(script: string, redis: RedisServer): Promise<Figures> {
  const isWanted = (part: (typeof PARTS)[number]): boolean => (values.part ?? part) === part;
  const turns = { rounds: Number(values.rounds), ms: Number(values.ms) };
  return {
    ...(isWanted("connections") && { connections: await runConnections(script, redis, turns) }),
    ...(isWanted("identities") && {
      identities: await runIdentities(script, {
        ...turns,
        identities: values.identities.split(",").map(Number),
        most: Number(values.most) * 1000,
      }),
    }),
    ...(isWanted("soak") && {
      soak: await runSoak(script, redis, {
        minutes: Number(values.minutes),
        seconds: Number(values.minute),
        members: Number(values.members),
        strangers: Number(values.strangers),
      }),
    }),
  };
}

function isMissed({ goals }: Report): boolean {
  return goals.some(({ met }) => !met);
}

async function main(): Promise<void> {
  if (values.draw) return writePage(readFigures());
  const { part } = values;
  if (part !== undefined && !PARTS.some((one) => one === part)) {
    throw new Error(`--part is one of ${PARTS.join(", ")}.`);
  }
  const script = compile(new URL("server-process.ts", import.meta.url), "growth-server");
  const redis = await startRedis({ core: LOAD_CORE });
  pin(process.pid, LOAD_CORE);
  let figures: Figures;
  try {
    figures = await measure(script, redis);
  } finally {
    await redis.stop();
  }
  if (values.write) {
    const all = { ...readFigures(), ...figures };
    writeFigures(all);
    writePage(all);
  }
  const report = reportOf(figures);
  printReport(report, values.json);
  // A soak that finds growth has failed, whoever asked for it.
  const soak = reportOf(figures.soak ? { soak: figures.soak } : {});
  if (isMissed(soak) || (values.check && isMissed(report))) process.exitCode = 1;
}

await main();
