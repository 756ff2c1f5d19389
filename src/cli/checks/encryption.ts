/** Whether the connection is encrypted, to whom, and for how long the certificate will do. */
import type { Config } from "../../config.ts";
import { hostsOf } from "../../config/redis-target.ts";
import { isLoopback } from "../../config/tls-policy.ts";
import { failure, type Finding, note, ok, type Subject, warning, worst } from "../finding.ts";
import { lookAtPeer, type NoPeer, type Peer, tlsEndpoints } from "../peer.ts";

const ENCRYPTION: Subject = { id: "encryption", title: "encryption" };

const DAY = 86_400_000;
/** Days before a certificate's end from which it is a matter to attend to. */
const SOON = 30;
/** Forbidden by RFC 8996. */
const OUTDATED = new Set(["TLSv1", "TLSv1.1"]);

const RENEW =
  "Renew the certificate on the server, or tell the provider; the kit needs no restart for it.";
const EXPIRY = "When it has expired, every new connection is refused.";

function plaintext(config: Config): Finding {
  const { target } = config;
  if (target.kind === "unix") return ok(ENCRYPTION, "not needed: a unix socket", { tls: false });
  const far = hostsOf(target).filter((host) => !isLoopback(host));
  const data = { tls: false, hosts: hostsOf(target) };
  if (far.length === 0) return ok(ENCRYPTION, "not needed: loopback", data);
  // What to do about it is said by the rules of production.
  return note(ENCRYPTION, `none: what is sent to ${far.join(", ")} can be read on the way`, data);
}

function whois({ subject, issuer, validFrom, validTo }: Peer): string {
  return `'${subject}', issued by '${issuer}', valid from ${validFrom.slice(0, 10)} to ${validTo.slice(0, 10)}`;
}

function judgePeer(config: Config, peer: Peer, now: number): Finding {
  const daysLeft = Math.floor((Date.parse(peer.validTo) - now) / DAY);
  const data = { tls: true, ...peer, daysLeft };
  const to = `${peer.protocol} with ${peer.cipher} to ${whois(peer)}`;
  if (daysLeft < 0) {
    const detail = `The certificate has expired: ${whois(peer)}.`;
    return failure(ENCRYPTION, { detail, why: EXPIRY, fix: RENEW, data });
  }
  if (!peer.verified) {
    const trouble = {
      detail: `${to}, which is not verified (${peer.objection ?? "no reason given"}).`,
      why: "Anyone on the way could answer in the server's place, and would be told the password.",
      fix: "Set REDIS_CA to the PEM text or file of the authority that signed it, and REDIS_SERVERNAME where the certificate carries another name than the host.",
      data,
    };
    return config.verifyTls ? failure(ENCRYPTION, trouble) : warning(ENCRYPTION, trouble);
  }
  if (daysLeft < SOON) {
    const detail = `${to}, verified: ${daysLeft} days are left.`;
    return warning(ENCRYPTION, { detail, why: EXPIRY, fix: RENEW, data });
  }
  if (OUTDATED.has(peer.protocol)) {
    return warning(ENCRYPTION, {
      detail: `${to}, verified.`,
      why: `${peer.protocol} is broken and forbidden (RFC 8996).`,
      fix: "Let the server speak TLS 1.2 or 1.3 (tls-protocols in redis.conf).",
      data,
    });
  }
  return ok(ENCRYPTION, `${to}, verified`, data);
}

function judgeFailure({ host, port, failed }: NoPeer): Finding {
  return failure(ENCRYPTION, {
    detail: `${host}:${port} completes no TLS handshake (${failed}).`,
    why: "Without it nothing is sent: the kit never falls back to plaintext.",
    fix: "Check that the port is reachable and speaks TLS; where the server asks for a client certificate, set REDIS_CERT and REDIS_KEY.",
    data: { tls: true, host, port, failed },
  });
}

/**
 * Shakes hands with every server that the configuration names, and tells of the worst.
 *
 * @param within milliseconds
 */
export async function checkEncryption(
  config: Config,
  within: number,
  now: number,
): Promise<Finding> {
  const endpoints = tlsEndpoints(config);
  if (endpoints.length === 0) return plaintext(config);
  const peers = await Promise.all(endpoints.map((one) => lookAtPeer(config, one, within)));
  const finding = worst(
    peers.map((peer) => ("failed" in peer ? judgeFailure(peer) : judgePeer(config, peer, now))),
  );
  return { ...finding, data: { ...finding.data, peers } };
}
