/** Looks at who answers in TLS: a handshake of its own that carries no command and no password. */
import { isIP } from "node:net";
import { connect, type ConnectionOptions, type PeerCertificate, type TLSSocket } from "node:tls";
import type { Config } from "../config.ts";
import type { Endpoint } from "../config/redis-target.ts";

/** Who answered. */
export interface Peer {
  readonly host: string;
  readonly port: number;
  readonly subject: string;
  readonly issuer: string;
  /** ISO 8601. */
  readonly validFrom: string;
  readonly validTo: string;
  readonly protocol: string;
  readonly cipher: string;
  /** Whether the certificate is trusted for this name; `objection` is Node's code where it is not. */
  readonly verified: boolean;
  readonly objection: string | undefined;
}

/** A handshake that failed. */
export interface NoPeer {
  readonly host: string;
  readonly port: number;
  readonly failed: string;
}

/** Endpoints of one deployment that are looked at. */
const MOST = 6;

/** Where TLS is spoken, as the configuration names it; empty where it is not. */
export function tlsEndpoints({ target }: Config): readonly Endpoint[] {
  switch (target.kind) {
    case "standalone":
      return target.tls ? [target] : [];
    case "cluster":
      return target.tls ? target.nodes.slice(0, MOST) : [];
    case "sentinel":
      return target.tls ? target.sentinels.slice(0, MOST) : [];
    case "rest": {
      const { protocol, port } = new URL(target.url);
      return protocol === "https:" ? [{ host: target.host, port: Number(port || 443) }] : [];
    }
    default:
      return [];
  }
}

function first(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value.join(", ") : value) ?? "";
}

function nameOf(name: Partial<PeerCertificate["subject"]> | undefined): string {
  return first(name?.CN) || first(name?.O) || first(name?.OU) || "nameless";
}

function isoDate(text: string): string {
  return new Date(text).toISOString();
}

function describe(socket: TLSSocket, { host, port }: Endpoint): Peer {
  const certificate = socket.getPeerCertificate();
  const objection = socket.authorizationError as unknown as Error | string | null | undefined;
  return {
    host,
    port,
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    validFrom: isoDate(certificate.valid_from),
    validTo: isoDate(certificate.valid_to),
    protocol: socket.getProtocol() ?? "",
    cipher: socket.getCipher().standardName,
    verified: socket.authorized,
    objection:
      objection instanceof Error
        ? ((objection as NodeJS.ErrnoException).code ?? objection.message)
        : (objection ?? undefined),
  };
}

function optionsOf(config: Config, { host, port }: Endpoint): ConnectionOptions {
  const { ca, cert, key, servername } = config.tls;
  // RFC 6066, section 3: a server name is a DNS name, never an address.
  const name = servername ?? (isIP(host) === 0 ? host : undefined);
  return {
    host,
    port,
    // Nothing is sent, so a certificate that is not trusted can be looked at; the connection proper refuses it.
    rejectUnauthorized: false,
    ...(name !== undefined && { servername: name }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

/** Shakes hands, looks at the certificate and hangs up. Never rejects. */
export function lookAtPeer(
  config: Config,
  endpoint: Endpoint,
  within: number,
): Promise<Peer | NoPeer> {
  const { host, port } = endpoint;
  return new Promise((resolve) => {
    let socket: TLSSocket;
    const end = (result: Peer | NoPeer): void => {
      clearTimeout(timer);
      resolve(result);
      socket?.destroy();
    };
    const fail = (error: Error) =>
      end({ host, port, failed: (error as NodeJS.ErrnoException).code ?? error.message });
    const timer = setTimeout(
      () => end({ host, port, failed: `no handshake in ${within} ms` }),
      within,
    );
    try {
      socket = connect(optionsOf(config, endpoint));
    } catch (error) {
      fail(error as Error); // A key that does not fit its certificate, for one, throws at once.
      return;
    }
    socket.on("error", fail);
    socket.once("secureConnect", () => {
      try {
        end(describe(socket, endpoint));
      } catch (error) {
        fail(error as Error);
      }
    });
  });
}
