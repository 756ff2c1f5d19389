/**
 * The sockets of one channel: proven before a request sees them, and not used again once they may be dead.
 *
 * HTTP is spoken by node:http, not by `fetch`: only here can the kit hand over sockets that it opened and
 * proved itself (with the authority, certificate and server name of the configuration), know whether a
 * request's bytes have left, and end a request's socket with it. Frameworks also put caches and retries into
 * `fetch`.
 */
import { Agent, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type Address, openSocket, type SocketPlan } from "../tcp/socket.ts";

/**
 * Milliseconds after which an idle socket is not used again. Load balancers close theirs after a minute, and
 * some forget them without a word; a process that is paused meanwhile does not hear of it. One of which it is
 * not known costs a command, a new one costs a handshake.
 */
const LONGEST_REST = 10_000;
/** A server that announces when it will close is left this much earlier. */
const MARGIN = 1000;

/** Milliseconds for which a socket may rest after this response. */
function restOf(response: IncomingMessage): number {
  const announced = /timeout=(\d+)/.exec(String(response.headers["keep-alive"] ?? ""))?.[1];
  if (announced === undefined) return LONGEST_REST;
  return Math.min(LONGEST_REST, Number(announced) * 1000 - MARGIN);
}

/** How node:http is handed a socket. */
type Opened = Parameters<Agent["createConnection"]>[1] & {};

/** An Agent whose sockets are all proven. TLS is spoken below it, so it is the one of node:http. */
export class Sockets extends Agent {
  readonly #address: Address;
  readonly #plan: SocketPlan;
  /** When each idle socket is too old, by the wall clock: it runs while the process is paused. */
  readonly #restsUntil = new WeakMap<Socket, number>();

  constructor(address: Address, plan: SocketPlan) {
    super({ keepAlive: true, maxFreeSockets: 16 });
    this.#address = address;
    this.#plan = plan;
  }

  override createConnection(_options: unknown, done?: Opened): undefined {
    void this.#open(done!);
  }

  async #open(done: Opened): Promise<void> {
    let socket: Socket;
    try {
      socket = await openSocket(this.#address, this.#plan);
    } catch (error) {
      done(error as Error, undefined as never);
      return;
    }
    socket.setNoDelay(true);
    this.#restsUntil.set(socket, Date.now() + LONGEST_REST);
    done(null, socket);
  }

  /** A response has ended, and its socket may carry the next request. */
  rest(socket: Socket, response: IncomingMessage): void {
    this.#restsUntil.set(socket, Date.now() + restOf(response));
  }

  /** Ends idle sockets that are too old, or that the server has closed. */
  sweep(): void {
    const now = Date.now();
    for (const idle of Object.values(this.freeSockets)) {
      for (const socket of idle ?? []) {
        const until = this.#restsUntil.get(socket) ?? 0;
        if (now > until || !socket.writable || socket.readableEnded) socket.destroy();
      }
    }
  }
}
