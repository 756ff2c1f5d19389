/** Who is connected. */
import { ask, named, type Server } from "../ask.ts";
import type { Check } from "../examination.ts";
import { cannotTell, type Finding, ok, warning, worst } from "../finding.ts";
import { count, percent, plural } from "../figures.ts";

/** A share of `maxclients`. */
const NEAR = 0.8;
const SHOWN = 4;

interface Party {
  readonly name: string;
  readonly connections: number;
  readonly addresses: number;
}

/** The lines of CLIENT LIST, by the name that each client gave itself. */
function parties(list: string): Party[] {
  const byName = new Map<string, string[]>();
  for (const line of list.split("\n").filter(Boolean)) {
    const name = / name=(\S*)/.exec(line)?.[1] || "unnamed";
    const address = (/ addr=(\S+):\d+ /.exec(line)?.[1] ?? "").replace(/^\[|\]$/g, "");
    const known = byName.get(name) ?? [];
    known.push(address);
    byName.set(name, known);
  }
  return [...byName]
    .map(([name, all]) => ({ name, connections: all.length, addresses: new Set(all).size }))
    .toSorted((a, b) => b.connections - a.connections);
}

function listed(all: readonly Party[]): string {
  const shown = all
    .slice(0, SHOWN)
    .map(
      ({ name, connections, addresses }) =>
        `${name} ${count(connections)} from ${addresses === 1 ? "1 address" : `${addresses} addresses`}`,
    );
  const rest = all.slice(SHOWN).reduce((sum, { connections }) => sum + connections, 0);
  return [...shown, ...(rest > 0 ? [`${count(rest)} more`] : [])].join(", ");
}

async function judge(server: Server): Promise<Finding> {
  const { reply: info } = server.info;
  const list = await ask<string>(server.sender, ["CLIENT", "LIST"]);
  const all = list.denied === undefined ? parties(list.reply) : undefined;
  const connected = info?.number("connected_clients") ?? all?.length;
  if (connected === undefined) return cannotTell(clients, named(server, list.denied!));
  const most = info?.number("maxclients");
  const share = most === undefined ? 0 : connected / most;
  const of = most === undefined ? "" : ` of ${count(most)}`;
  const whom =
    all === undefined
      ? `; cannot tell whose: ${list.denied}`
      : `: ${listed(all)}, this one included`;
  const detail = named(server, `${plural(connected, "connection")}${of}${whom}`);
  const data = { connected, maxclients: most ?? null, parties: all ?? null };
  if (share < NEAR) return ok(clients, detail, data);
  return warning(clients, {
    detail: `${detail}: ${percent(share)} are taken.`,
    why: "When all are taken, Redis turns new connections away, this kit's reconnects among them.",
    fix: "Find who opens so many (the kit opens one for each process and server), or raise maxclients.",
    data,
  });
}

/** The server that is nearest to its limit. */
export const clients: Check = {
  id: "clients",
  title: "clients",
  run: async ({ servers }) => worst(await Promise.all(servers.map(judge))),
};
