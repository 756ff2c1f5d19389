/** The deployment that a kit talks to: how it is reached, and how it is called in a log. */

/** How one server is reached. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What every deployment spoken to over RESP has in common. */
export interface RespTarget {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  readonly tls: boolean;
  /** IP version to resolve a name to; 0 takes what comes. */
  readonly family: 0 | 4 | 6;
}

/** A client that the application made, and what its options say of it. */
export interface ClientTarget {
  readonly kind: "client";
  readonly library: "ioredis" | "node-redis" | "@upstash/redis";
  readonly isCluster: boolean;
  /** The client itself. Its state may be read; nothing of it is changed. */
  readonly client: object;
  /** Scheme and address, without credentials. */
  readonly address: string;
  /** Every host that the options name; empty for a unix socket. */
  readonly hosts: readonly string[];
  /** Whether the options ask for TLS. */
  readonly isEncrypted: boolean;
  /** What the options say against verifying certificates. */
  readonly weakness: {
    readonly rejectUnauthorized?: boolean;
    readonly checkServerIdentity?: unknown;
  };
}

/** The deployment that a kit talks to. */
export type Target =
  | { readonly kind: "memory" }
  | ClientTarget
  | {
      readonly kind: "rest";
      readonly url: string;
      readonly host: string;
      /** Undefined where a `credentials` function gives it. */
      readonly token: string | undefined;
    }
  | ({ readonly kind: "unix"; readonly path: string } & RespTarget)
  | ({ readonly kind: "standalone" } & Endpoint & RespTarget)
  | ({ readonly kind: "cluster"; readonly nodes: readonly Endpoint[] } & RespTarget)
  | ({
      readonly kind: "sentinel";
      readonly sentinels: readonly Endpoint[];
      readonly master: string;
    } & RespTarget);

/** Prints an address, IPv6 in brackets. */
export function printEndpoint({ host, port }: Endpoint): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Prints a target for a log: deployment and address, never a credential. */
export function describeTarget(target: Target): string {
  if (target.kind === "memory") return "memory";
  if (target.kind === "client") {
    return `${target.address} by the application's ${target.library} client`;
  }
  if (target.kind === "rest") return target.url;
  if (target.kind === "unix") return `unix://${target.path}`;
  const scheme = target.tls ? "rediss" : "redis";
  if (target.kind === "standalone") return `${scheme}://${printEndpoint(target)}/${target.db}`;
  if (target.kind === "cluster") return `${scheme}://${target.nodes.map(printEndpoint).join(",")}`;
  return `${scheme}+sentinel://${target.sentinels.map(printEndpoint).join(",")}/${target.master}`;
}

/** Whether commands travel as HTTP requests, which take longer. */
export function isRest(target: Target): boolean {
  return target.kind === "client" ? target.library === "@upstash/redis" : target.kind === "rest";
}

/** Every host that a target names; empty for a unix socket and memory. */
export function hostsOf(target: Target): readonly string[] {
  switch (target.kind) {
    case "standalone":
    case "rest":
      return [target.host];
    case "client":
      return target.hosts;
    case "cluster":
      return target.nodes.map((node) => node.host);
    case "sentinel":
      return target.sentinels.map((sentinel) => sentinel.host);
    default:
      return [];
  }
}

/** A target is shared by all that a kit does, and changed by none of it. */
export function freezeTarget(target: Target): Target {
  if (target.kind === "cluster") target.nodes.forEach(Object.freeze);
  if (target.kind === "sentinel") target.sentinels.forEach(Object.freeze);
  for (const value of Object.values(target)) if (Array.isArray(value)) Object.freeze(value);
  return Object.freeze(target);
}
