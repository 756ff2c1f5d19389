/** The command line: from arguments to output and exit code. */
import type { Env } from "../config/choose-target.ts";
import { VERSION } from "../version.ts";
import { parseArguments, USAGE } from "./arguments.ts";
import { runDoctor } from "./doctor.ts";
import { loadEnvironment } from "./environment.ts";
import { printReport } from "./print.ts";

/** Whether an output wants colours; https://no-color.org: not where NO_COLOR is anything but empty. */
export function wantsColour(isTerminal: boolean, { NO_COLOR = "", TERM }: Env): boolean {
  return isTerminal && NO_COLOR === "" && TERM !== "dumb";
}

async function doctor({ json, options }: { json: boolean; options: object }): Promise<number> {
  const loaded = loadEnvironment();
  const report = await runDoctor({ options, env: process.env, loaded });
  const isColoured = wantsColour(process.stdout.isTTY, process.env);
  const text = json ? `${JSON.stringify(report, null, 2)}\n` : printReport(report, isColoured);
  process.stdout.write(text);
  return report.ok ? 0 : 1;
}

/** Runs what the arguments ask for and answers the exit code. Only a report goes to stdout. */
export async function runCli(given: readonly string[]): Promise<number> {
  const request = parseArguments(given);
  switch (request.kind) {
    case "help":
      process.stdout.write(USAGE);
      return 0;
    case "version":
      process.stdout.write(`${VERSION}\n`);
      return 0;
    case "mistake":
      process.stderr.write(`${request.message}\n\n${USAGE}`);
      return 2;
    default:
      return doctor(request);
  }
}

/** Milliseconds after which a process that something still holds is ended. */
const LONGEST_LIFE = 20_000;

/** Runs as the whole process: sets its exit code, and sees to its end. */
export function startCli(given: readonly string[]): void {
  process.stdout.on("error", () => process.exit()); // Nobody reads any longer.
  // Holds nothing by itself: a process without anything left to do has ended before.
  setTimeout(() => {
    process.stderr.write("Something still holds the process: it is ended.\n");
    process.exit();
  }, LONGEST_LIFE).unref();
  runCli(given).then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      // Its message may hold anything; its place in the code tells enough.
      const frames = error instanceof Error ? (error.stack ?? "").split("\n    at ").slice(1) : [];
      process.stderr.write(`The doctor failed: please report this.\n${frames.join("\n")}\n`);
      process.exitCode = 1;
    },
  );
}
