/** What a run that compares servers side by side can be told, and on which cores it puts them. */
import { parseArgs } from "node:util";

/** The load and Redis share this core. */
export const LOAD_CORE = 0;
/** Each server has this one to itself. */
export const SERVER_CORE = 1;

/** What the command line says. */
export interface RunArguments {
  readonly rounds: number;
  /** Milliseconds that a server is loaded for in a round. */
  readonly ms: number;
  /** Only servers whose name holds this text, and the bare ones. */
  readonly only: string;
  /** Only this one of the workloads. */
  readonly workload: string | undefined;
  /** A folder for the CPU profiles of all servers. */
  readonly profile: string | undefined;
  readonly json: boolean;
  /** Fails where a goal is missed. */
  readonly check: boolean;
}

/** Reads the command line. */
export function readArguments(standard: { rounds: number; ms: number }): RunArguments {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: String(standard.rounds) },
      ms: { type: "string", default: String(standard.ms) },
      only: { type: "string", default: "" },
      workload: { type: "string" },
      profile: { type: "string" },
      json: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
    },
  });
  const { rounds, ms, workload, profile, ...rest } = values;
  return { ...rest, workload, profile, rounds: Number(rounds), ms: Number(ms) };
}

/** Flags by which Node writes the CPU profile of one server. */
export function profileFlags(folder: string | undefined, load: string, name: string): string[] {
  if (folder === undefined) return [];
  return ["--cpu-prof", `--cpu-prof-dir=${folder}/${load}-${name.replaceAll(/\W+/g, "-")}`];
}
