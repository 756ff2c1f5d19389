/** Which connections production allows: decided from the configuration, before anything is opened. */
import { BlockList, isIP } from "node:net";
import { KitError } from "../errors.ts";
import { describeTarget, hostsOf, type Target } from "./redis-target.ts";
import type { TlsSettings } from "./tls-settings.ts";

/** What the policy judges. */
export interface TlsQuestion {
  readonly target: Target;
  readonly tls: TlsSettings;
  readonly allowPlaintext: readonly string[];
  readonly allowUnverifiedTls: readonly string[];
  /** `NODE_TLS_REJECT_UNAUTHORIZED` */
  readonly nodeTlsRejectUnauthorized: string | undefined;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** `localhost` and the loopback ranges; IPv4-mapped IPv6 too. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host === "localhost";
  return LOOPBACK.check(host, version === 4 ? "ipv4" : "ipv6");
}

function isEncrypted(target: Target): boolean {
  if (target.kind === "rest") return target.url.startsWith("https:");
  if (target.kind === "client") return target.isEncrypted;
  return "tls" in target && target.tls;
}

/** Hosts among `hosts` that neither loopback nor the list of exceptions covers. */
function uncovered(hosts: readonly string[], exceptions: readonly string[]): string[] {
  return hosts.filter((host) => !isLoopback(host) && !exceptions.includes(host));
}

/**
 * Throws for what production refuses; answers the warnings that an allowed exception deserves.
 *
 * @throws KitError `PLAINTEXT_REFUSED`, `TLS_VERIFICATION_REFUSED`
 */
export function judgeTls(question: TlsQuestion): string[] {
  const { target } = question;
  const hosts = [...new Set(hostsOf(target))];
  if (!isEncrypted(target)) return judgePlaintext(target, hosts, question.allowPlaintext);
  return judgeVerification(hosts, question);
}

/** The change that encrypts, as the library behind it says it. */
function howToEncrypt(target: Target): string {
  if (target.kind === "rest") return "Use https://";
  if (target.kind !== "client") return "Use rediss://";
  if (target.library === "@upstash/redis") return "Make the client of an https:// address";
  if (target.library === "node-redis") {
    return target.isCluster
      ? "Make the cluster with defaults: { socket: { tls: true } }"
      : "Make the client of a rediss:// address, or with socket: { tls: true }";
  }
  if (target.isCluster) return "Make the Cluster with redisOptions: { tls: {} }";
  return "Make the client of a rediss:// address, or with tls: {} (with Sentinels, enableTLSForSentinelMode: true too)";
}

function judgePlaintext(
  target: Target,
  hosts: readonly string[],
  allowed: readonly string[],
): string[] {
  const [refused] = uncovered(hosts, allowed);
  if (refused !== undefined) {
    throw new KitError("PLAINTEXT_REFUSED", {
      message: `Refused to reach Redis at ${refused} without TLS (${describeTarget(target)}): in production sessions and passwords would cross the network in clear text.`,
      fix: `${howToEncrypt(target)}; or, if the network between is private and yours, allow this one host: REDIS_ALLOW_PLAINTEXT=${refused} or allowPlaintext: ['${refused}'].`,
    });
  }
  return hosts
    .filter((host) => !isLoopback(host))
    .map((host) => `Redis at ${host} is reached without TLS, as allowPlaintext permits.`);
}

function judgeVerification(hosts: readonly string[], question: TlsQuestion): string[] {
  const weakened = [
    question.tls.rejectUnauthorized === false && "rejectUnauthorized: false",
    question.tls.checkServerIdentity !== undefined && "a custom checkServerIdentity",
    question.nodeTlsRejectUnauthorized === "0" && "NODE_TLS_REJECT_UNAUTHORIZED=0",
  ].filter((reason) => reason !== false);
  if (weakened.length === 0) return [];
  const refused = hosts.find((host) => !question.allowUnverifiedTls.includes(host));
  if (refused !== undefined) {
    throw new KitError("TLS_VERIFICATION_REFUSED", {
      message: `Refused to reach Redis at ${refused} with ${weakened.join(" and ")}: anyone on the path could answer in its place.`,
      fix: `Pass the server's CA instead (REDIS_CA or redis: { ca }), and remove ${weakened.join(" and ")}. If this provider's certificate cannot be verified, allow this one host: allowUnverifiedTls: ['${refused}'].`,
    });
  }
  return hosts.map(
    (host) => `The certificate of Redis at ${host} is not verified (${weakened.join(", ")}).`,
  );
}

/** What the exceptions of a configuration allow for a host that a Cluster or a Sentinel names later. */
export interface HostPolicy {
  mayBePlaintext(host: string): boolean;
  mayBeUnverified(host: string): boolean;
}

/** In production an exception holds for the hosts that it names; elsewhere everything is allowed. */
export function hostPolicy(
  { allowPlaintext, allowUnverifiedTls }: TlsQuestion,
  isProduction: boolean,
): HostPolicy {
  return {
    mayBePlaintext: (host) => !isProduction || isLoopback(host) || allowPlaintext.includes(host),
    mayBeUnverified: (host) => !isProduction || allowUnverifiedTls.includes(host),
  };
}
