/** Which commands kept the server from everybody else lately. */
import { ask, type Server } from "../ask.ts";
import type { Check } from "../examination.ts";
import { cannotTell, ok, warning } from "../finding.ts";
import { ago, count, ms } from "../figures.ts";

/** Entries of the slow log that are read of each server. */
const ENTRIES = 64;
/** Milliseconds. */
const LATELY = 3_600_000;

interface Slow {
  /** The command's name alone: its arguments may be session ids. */
  readonly name: string;
  /** Milliseconds. */
  readonly took: number;
  readonly at: number;
  readonly client: string;
}

type Entry = readonly [
  id: number,
  at: number,
  took: number,
  command: readonly string[],
  ...who: string[],
];

async function slowOf({ sender }: Server): Promise<readonly Slow[] | string> {
  const { reply, denied } = await ask<readonly Entry[]>(sender, ["SLOWLOG", "GET", ENTRIES]);
  if (denied !== undefined) return denied;
  return reply.map(([, at, took, command, , client]) => ({
    name: (command[0] ?? "").toUpperCase(),
    took: took / 1000,
    at: at * 1000,
    client: client || "unnamed",
  }));
}

/** Those of the last hour that a request would have noticed. */
export const slowCommands: Check = {
  id: "slow-commands",
  title: "slow commands",
  run: async ({ servers, config: { deadline }, now }) => {
    const answers = await Promise.all(servers.map(slowOf));
    const denied = answers.find((answer) => typeof answer === "string");
    if (typeof denied === "string") return cannotTell(slowCommands, denied);
    const recent = (answers as (readonly Slow[])[])
      .flat()
      .filter(({ at }) => at > now() - LATELY)
      .toSorted((a, b) => b.took - a.took);
    const [slowest] = recent;
    const data = { lastHour: recent.length, slowest: recent.slice(0, 5) };
    if (slowest === undefined) return ok(slowCommands, "none in the last hour", data);
    const who = `${slowest.client}, ${ago(now() - slowest.at)}`;
    const detail = `${count(recent.length)} in the last hour, slowest ${slowest.name} with ${ms(slowest.took)} (${who})`;
    if (slowest.took <= deadline / 2) return ok(slowCommands, detail, data);
    return warning(slowCommands, {
      detail: `${detail}.`,
      why: "Redis runs one command at a time: all others waited for it, and some may have met their deadline.",
      fix: "See the whole command with SLOWLOG GET, and stop its sender from using it (KEYS, a range over a huge value, a long script).",
      data,
    });
  },
};
