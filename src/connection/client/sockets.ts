/** The proof of production, on the sockets that the application's client has open: what carries sessions is encrypted, or may be plain. */
import type { Socket } from "node:net";
import { isLoopback, type HostPolicy } from "../../config/tls-policy.ts";
import type { ClientTarget } from "../../config/redis-target.ts";
import { KitError } from "../../errors.ts";
import { notConnected } from "./failures.ts";
import type { Obstacle } from "./wire.ts";

/** Answers why a socket may not carry commands; undefined where it may. */
export type SocketJudge = (socket: Socket, host: string | undefined) => Obstacle | undefined;

function refusal(error: KitError): Obstacle {
  return { error, mayPass: false };
}

function plaintextRefused(target: ClientTarget, host: string): KitError {
  return new KitError("PLAINTEXT_REFUSED", {
    message: `Refused to send anything to ${host} without TLS: the socket in use of the ${target.library} client for ${target.address} is not encrypted.`,
    fix: `Give the client TLS; or, if the network between is private and yours, allow this host: REDIS_ALLOW_PLAINTEXT=${host},… or allowPlaintext: ['${host}'].`,
    status: 503,
    outcome: "notSent",
  });
}

function notProven(target: ClientTarget, host: string): KitError {
  return new KitError("TLS_NOT_PROVEN", {
    message: `Refused to send anything to ${host}: the socket in use of the ${target.library} client for ${target.address} is encrypted, but its certificate is not verified.`,
    fix: `Give the client the authority's certificate (tls: { ca }); or, if this provider's certificate cannot be verified, allow this host: allowUnverifiedTls: ['${host}'].`,
    status: 503,
    outcome: "notSent",
  });
}

/** Why a host that is spoken to without TLS may not be; undefined where it may. */
export function judgePlainHost(
  target: ClientTarget,
  hosts: HostPolicy,
  host: string,
): Obstacle | undefined {
  return hosts.mayBePlaintext(host.toLowerCase())
    ? undefined
    : refusal(plaintextRefused(target, host));
}

/**
 * Makes a judge. A socket is judged once; the one that replaces it, anew.
 *
 * The address at the other end decides what loopback is, and the name in the client's options, or else
 * that address, what the exceptions are for.
 */
export function createSocketJudge(target: ClientTarget, hosts: HostPolicy): SocketJudge {
  const accepted = new WeakSet<Socket>();
  const isUnix = target.address.startsWith("unix:");
  const judge: SocketJudge = (socket, named) => {
    const { remoteAddress } = socket;
    // A unix socket has no address at its other end, and neither has one that was just lost.
    if (remoteAddress === undefined) return isUnix ? undefined : notConnected(target, "lost");
    const { encrypted, authorized } = socket as { encrypted?: boolean; authorized?: boolean };
    if (isLoopback(remoteAddress) || (encrypted === true && authorized === true)) return undefined;
    // What the options call localhost, and leads elsewhere, is elsewhere.
    const isNamed = named !== undefined && !isLoopback(named.toLowerCase());
    const names = isNamed ? [named.toLowerCase(), remoteAddress] : [remoteAddress];
    if (encrypted === true) {
      const isAllowed = names.some((name) => hosts.mayBeUnverified(name));
      return isAllowed ? undefined : refusal(notProven(target, names[0]!));
    }
    const isAllowed = names.some((name) => hosts.mayBePlaintext(name));
    return isAllowed ? undefined : refusal(plaintextRefused(target, names[0]!));
  };
  return (socket, named) => {
    if (accepted.has(socket)) return undefined;
    const objection = judge(socket, named);
    if (objection === undefined) accepted.add(socket);
    return objection;
  };
}
