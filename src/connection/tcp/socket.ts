/**
 * Opens the sockets that ioredis speaks over, and proves each one before ioredis sees it.
 *
 * ioredis drops TLS in silence in several ways (Cluster nodes by URL, `tls: false` beside `rediss://`,
 * an upper-case scheme) and sends AUTH in the tick in which a socket connects. So the kit hands it
 * finished sockets: what is not encrypted and authorized never carries a password.
 */
import { connect as connectNet, isIP, type Socket } from "node:net";
import { connect as connectTls, TLSSocket, type ConnectionOptions } from "node:tls";
import { KitError } from "../../errors.ts";
import { type Attempt, diagnose, tlsNotOffered, unavailable } from "../diagnosis.ts";
import { afterRunning } from "./standstill.ts";

/** How every socket of one connection is opened. */
export interface SocketPlan {
  /** Undefined where the deployment is spoken to in plaintext. */
  readonly tls: TlsPlan | undefined;
  /** Milliseconds for the connection and the TLS handshake together. */
  readonly timeout: number;
  readonly family: 0 | 4 | 6;
  readonly attempt: Attempt;
}

/** TLS as it will be spoken. */
export interface TlsPlan {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly servername: string | undefined;
  /** False only where the configuration allowed this host to go unverified. */
  readonly verify: boolean;
  readonly checkServerIdentity: ConnectionOptions["checkServerIdentity"];
}

/** Where a server listens. */
export type Address = { path: string } | { host: string; port: number };

function tlsOptions(plan: TlsPlan, address: Address): ConnectionOptions {
  const host = "host" in address ? address.host : "";
  // RFC 6066, section 3: a server name is a DNS name, never an address.
  const servername = plan.servername ?? (isIP(host) === 0 ? host : undefined);
  return {
    rejectUnauthorized: plan.verify,
    ...(servername !== undefined && { servername }),
    ...(plan.ca !== undefined && { ca: plan.ca }),
    ...(plan.cert !== undefined && { cert: plan.cert }),
    ...(plan.key !== undefined && { key: plan.key }),
    ...(plan.checkServerIdentity && { checkServerIdentity: plan.checkServerIdentity }),
  };
}

/** The proof: what was asked for is what this socket is. */
function prove(socket: Socket, plan: SocketPlan): KitError | undefined {
  if (plan.tls === undefined) return undefined;
  const encrypted = socket instanceof TLSSocket && socket.getCipher() !== undefined;
  if (encrypted && (socket.authorized || !plan.tls.verify)) return undefined;
  return new KitError("TLS_NOT_PROVEN", {
    message: `The connection to ${plan.attempt.target} is ${encrypted ? "encrypted, but its certificate is not verified" : "not encrypted"}, although TLS was asked for.`,
    fix: "This is a safety net of the kit: please report it with the configuration that led here.",
    outcome: "notSent",
  });
}

function connect(address: Address, plan: SocketPlan): Socket {
  const target = { ...address, ...("host" in address && { family: plan.family }) };
  return plan.tls
    ? connectTls({ ...target, ...tlsOptions(plan.tls, address) })
    : connectNet(target);
}

/**
 * Opens a socket and resolves once it may carry commands.
 *
 * @param signal gives the attempt up
 * @throws KitError with the diagnosis; the socket is destroyed then.
 */
export function openSocket(
  address: Address,
  plan: SocketPlan,
  signal?: AbortSignal,
): Promise<Socket> {
  const { promise, resolve, reject } = withResolvers<Socket>();
  let socket: Socket;
  try {
    socket = connect(address, plan);
  } catch (error) {
    // A key that does not fit its certificate, for one, throws at once.
    return Promise.reject(diagnose(error, plan.attempt));
  }
  let reached = false;

  const fail = (error: KitError): void => {
    clock.stop();
    socket.on("error", () => {}); // A destroyed handshake may still speak; the verdict is given.
    socket.destroy();
    reject(error);
  };
  const onError = (error: Error): void => fail(diagnose(error, plan.attempt));
  const onEnd = (): void =>
    fail(
      plan.tls && reached
        ? tlsNotOffered(plan.attempt)
        : unavailable(plan.attempt, "connection closed"),
    );
  const clock = afterRunning(plan.timeout, () =>
    fail(
      plan.tls && reached
        ? tlsNotOffered(plan.attempt)
        : unavailable(plan.attempt, `no answer in ${plan.timeout} ms`),
    ),
  );

  const giveUp = (): void => fail(unavailable(plan.attempt, "given up"));
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp);
  socket.once("close", () => signal?.removeEventListener("abort", giveUp));
  socket.once("connect", () => (reached = true));
  socket.once("error", onError);
  socket.once("close", onEnd);
  socket.once(plan.tls ? "secureConnect" : "connect", () => {
    clock.stop();
    socket.off("error", onError);
    socket.off("close", onEnd);
    signal?.removeEventListener("abort", giveUp);
    const objection = prove(socket, plan);
    if (objection) fail(objection);
    else resolve(socket);
  });
  return promise;
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
