/** What was asked for on the command line. */
import type { KitOptions } from "../config.ts";
import { closest } from "../validate.ts";

/** What to do. */
export type Request =
  | { readonly kind: "doctor"; readonly json: boolean; readonly options: KitOptions }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  /** Not understood, and why. */
  | { readonly kind: "mistake"; readonly message: string };

/** Printed by `--help`, and after a mistake. */
export const USAGE = `Usage: express-redis-kit doctor [options]

Looks at the configuration, the connection and the Redis server that an application of this
environment would use, and says of each thing whether it is well, and if not, why that
matters and how to mend it. Reads .env.local and .env; variables that are set win.

Options:
  --json               print one JSON document instead of lines
  --namespace <name>   look at the keys of createKit({ namespace })
  --deadline <time>    judge by createKit({ deadline }): 250, 250ms, 1s
  --help               print this
  --version            print the version

Exit code: 0 nothing has failed, 1 something has, 2 the command line was not understood.
`;

const COMMANDS = ["doctor"];
const FLAGS = ["--json", "--help", "--version", "--namespace", "--deadline"];
const SHORT: Readonly<Record<string, string>> = { "-h": "--help", "-v": "--version" };

function mistake(message: string): Request {
  return { kind: "mistake", message };
}

/** An argument may be a password that somebody pasted: it is quoted only where it is plainly a name. */
function unknown(what: string, given: string, known: readonly string[]): Request {
  const meant = closest(given, known);
  const isName =
    /^-{0,2}[a-z-]{1,20}$/.test(given) && (meant !== undefined || given.startsWith("-"));
  const name = isName ? ` '${given}'` : "";
  return mistake(
    `There is no such ${what}${name}.${meant === undefined ? "" : ` Did you mean '${meant}'?`}`,
  );
}

function duration(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** Reads the arguments after the program's name. */
export function parseArguments(given: readonly string[]): Request {
  const rest = [...given];
  const options: KitOptions = {};
  let json = false;
  let command: string | undefined;
  while (rest.length > 0) {
    const argument = rest.shift()!;
    const [name = "", ...after] = argument.split("=");
    const flag = SHORT[name] ?? name;
    const inline = after.length > 0 ? after.join("=") : undefined;
    if (!argument.startsWith("-")) {
      if (command !== undefined) return mistake("Only one command can be given.");
      if (!COMMANDS.includes(argument)) return unknown("command", argument, COMMANDS);
      command = argument;
    } else if (!FLAGS.includes(flag)) return unknown("option", name, FLAGS);
    else if (flag === "--namespace" || flag === "--deadline") {
      const value = inline ?? rest.shift();
      if (value === undefined || value === "") return mistake(`${flag} needs a value.`);
      if (flag === "--namespace") options.namespace = value;
      else options.deadline = duration(value);
    } else if (inline !== undefined) return mistake(`${flag} takes no value.`);
    else if (flag === "--help") return { kind: "help" };
    else if (flag === "--version") return { kind: "version" };
    else json = true;
  }
  return command === undefined
    ? mistake("No command was given.")
    : { kind: "doctor", json, options };
}
