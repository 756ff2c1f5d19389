/** Which server of a Cluster holds which slots. */
import type { NamedEndpoint } from "./destination.ts";

/** Slots of a Cluster: 2^14. */
export const SLOTS = 16_384;

/** Who holds what, as one node said it. */
export interface Topology {
  /** By slot, each one of {@link masters}; undefined where nobody holds it. */
  readonly owners: readonly (NamedEndpoint | undefined)[];
  /** Each once. */
  readonly masters: readonly NamedEndpoint[];
  /** Whom else to ask when no master answers. */
  readonly replicas: readonly NamedEndpoint[];
}

/** A node's address as one text, to know it again by. */
export function addressOf({ host, port }: NamedEndpoint): string {
  return `${host}:${port}`;
}

type SlotsReply = readonly [from: number, to: number, ...nodes: readonly (readonly unknown[])[]][];

/** An unknown address (null, empty or `?`) means the host that was asked. */
function knownHost(host: unknown): string | undefined {
  return typeof host === "string" && host !== "" && host !== "?" ? host : undefined;
}

/**
 * Reads one node of `CLUSTER SLOTS`: address, port, id, and since Redis 7 a list of what else is known of
 * it, among that perhaps `ip` and `hostname`.
 */
function readNode([host, port, , metadata]: readonly unknown[], asked: string): NamedEndpoint {
  const pairs = Array.isArray(metadata) ? (metadata as string[]) : [];
  const told = (what: string): string | undefined => {
    const at = pairs.indexOf(what);
    return at === -1 ? undefined : knownHost(pairs[at + 1]);
  };
  return {
    host: knownHost(host) ?? told("ip") ?? asked,
    port: Number(port),
    name: told("hostname"),
  };
}

/**
 * Reads the reply of `CLUSTER SLOTS`.
 *
 * @param asked the host that answered
 */
export function readTopology(reply: unknown, asked: string): Topology {
  const owners: (NamedEndpoint | undefined)[] = Array.from({ length: SLOTS });
  const masters = new Map<string, NamedEndpoint>();
  const replicas = new Map<string, NamedEndpoint>();
  for (const [from, to, ...nodes] of reply as SlotsReply) {
    const [master, ...others] = nodes.map((node) => readNode(node, asked));
    if (master === undefined) continue;
    const known = masters.get(addressOf(master)) ?? master;
    masters.set(addressOf(known), known);
    for (const other of others) replicas.set(addressOf(other), other);
    owners.fill(known, from, to + 1);
  }
  return { owners, masters: [...masters.values()], replicas: [...replicas.values()] };
}

/** Reads `MOVED 3999 127.0.0.1:6381` and `ASK …`; an empty host means the one that was asked. */
export function readRedirection(
  words: string,
  asked: string,
): { slot: number; to: NamedEndpoint } | undefined {
  const [, slot, host, port] = /^(?:MOVED|ASK) (\d{1,5}) (\S*):(\d+)/.exec(words) ?? [];
  if (slot === undefined || Number(slot) >= SLOTS) return undefined;
  return { slot: Number(slot), to: { host: knownHost(host) ?? asked, port: Number(port) } };
}
