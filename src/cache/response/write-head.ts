/** What `writeHead` may be given. */
import type { OutgoingHttpHeaders } from "node:http";

/** The fields among the arguments of `writeHead`. */
export function fieldsOf(args: readonly unknown[]): OutgoingHttpHeaders {
  const given = args.slice(1).find((argument) => typeof argument === "object" && argument !== null);
  if (given === undefined) return {};
  const pairs = Array.isArray(given) ? pairsOf(given) : Object.entries(given);
  return Object.fromEntries(pairs.map(([name, value]) => [name.toLowerCase(), value]));
}

function pairsOf(list: readonly unknown[]): [string, string][] {
  if (Array.isArray(list[0])) return list as [string, string][];
  return list.flatMap((name, at) =>
    at % 2 === 0 ? [[name, list[at + 1]] as [string, string]] : [],
  );
}
