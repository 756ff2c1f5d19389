/** How the sockets to one server of a deployment are opened, and whether they may be opened at all. */
import type { Config } from "../../config.ts";
import { describeTarget, type Endpoint, type Target } from "../../config/redis-target.ts";
import { KitError } from "../../errors.ts";
import type { Attempt } from "../diagnosis.ts";
import type { Address, SocketPlan, TlsPlan } from "./socket.ts";

/** Deployments that are spoken to over sockets. */
export type SocketTarget = Extract<Target, { tls: boolean }>;

/** Where a socket leads to, and how it is opened. */
export interface Destination {
  readonly address: Address;
  readonly socket: SocketPlan;
}

/** A server that a Cluster or a Sentinel named; `name` is what its certificate may carry beside `host`. */
export interface NamedEndpoint extends Endpoint {
  readonly name?: string | undefined;
}

function printServer(target: SocketTarget, { host, port }: Endpoint): string {
  if (target.kind === "standalone" || target.kind === "unix") return describeTarget(target);
  const scheme = target.tls ? "rediss" : "redis";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The whole deployment, as errors call it before one of its servers is known. */
export function attemptOf(config: Config, target: SocketTarget): Attempt {
  const host = target.kind === "standalone" ? target.host : undefined;
  return {
    target: describeTarget(target),
    tls: target.tls,
    servername: config.tls.servername ?? host,
    credentialsOf: config.credentials && "function",
  };
}

/** Refused before any connection: the exceptions of production are per host, and this host is none of them. */
function checkPlaintext(config: Config, server: string, host: string): void {
  if (config.hosts.mayBePlaintext(host)) return;
  throw new KitError("PLAINTEXT_REFUSED", {
    message: `Refused to reach ${server} without TLS: the deployment named this server, but the configuration does not allow it.`,
    fix: `Use TLS; or, if the network between is private and yours, allow this host too: REDIS_ALLOW_PLAINTEXT=${host},….`,
    status: 503,
    outcome: "notSent",
  });
}

/**
 * How TLS is spoken to a host.
 *
 * @param servername undefined means the host itself, if it is a name
 */
export function tlsPlan(config: Config, servername: string | undefined, host: string): TlsPlan {
  const { ca, cert, key, checkServerIdentity } = config.tls;
  return {
    ca,
    cert,
    key,
    servername,
    verify: config.verifyTls || !config.hosts.mayBeUnverified(host),
    checkServerIdentity: checkServerIdentity as undefined,
  };
}

/** How a unix socket is opened. */
export function unixDestination(
  config: Config,
  target: Extract<Target, { kind: "unix" }>,
): Destination {
  const socket = {
    attempt: attemptOf(config, target),
    timeout: config.connectDeadline,
    family: 0,
    tls: undefined,
  } as const;
  return { address: { path: target.path }, socket };
}

/**
 * How a Sentinel is reached.
 *
 * @throws KitError `PLAINTEXT_REFUSED`
 */
export function sentinelDestination(
  config: Config,
  target: SocketTarget,
  sentinel: Endpoint,
): Destination {
  const { address, socket } = tcpDestination(config, target, sentinel);
  const attempt = {
    ...socket.attempt,
    target: `the Sentinel ${socket.attempt.target}`,
    credentialsOf: "sentinel" as const,
  };
  return { address, socket: { ...socket, attempt } };
}

/**
 * How a server is reached.
 *
 * @throws KitError `PLAINTEXT_REFUSED`
 */
export function tcpDestination(
  config: Config,
  target: SocketTarget,
  endpoint: NamedEndpoint,
): Destination {
  const { host, port, name } = endpoint;
  const { tls } = config;
  const server = printServer(target, endpoint);
  if (!target.tls) checkPlaintext(config, server, host);
  const servername = tls.servername ?? name;
  return {
    address: { host, port },
    socket: {
      family: target.family,
      // An attempt ends before those who wait for it do, so that they are told why it failed.
      timeout: Math.ceil(config.connectDeadline * 0.8),
      attempt: {
        target: server,
        tls: target.tls,
        servername: servername ?? host,
        credentialsOf: config.credentials && "function",
      },
      tls: target.tls ? tlsPlan(config, servername, host) : undefined,
    },
  };
}
