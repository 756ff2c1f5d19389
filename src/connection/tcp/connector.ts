/** What ioredis gets its sockets from. */
import { Socket } from "node:net";
import type { RedisOptions } from "ioredis";
import type { KitError } from "../../errors.ts";

type ConnectorClass = NonNullable<RedisOptions["Connector"]>;

/** How the sockets of one connection are made, and which servers they may lead to. */
export interface ConnectorPlan {
  /** Opens a proven socket; the signal gives that up. */
  open(signal: AbortSignal): Promise<Socket>;
  onFailure(error: KitError): void;
  /** Judges the server by its own `INFO`. */
  accepts(info: { readonly role?: string }): boolean;
}

/**
 * Hands ioredis proven sockets. ioredis ends for good when a connector rejects, so a failure is
 * answered with the destroyed socket that it knows how to retry.
 */
export function connectorOf(plan: ConnectorPlan): ConnectorClass {
  return class {
    #socket: Socket | undefined;
    #attempt = new AbortController();
    async connect() {
      const attempt = new AbortController();
      this.#attempt = attempt;
      try {
        this.#socket = await plan.open(attempt.signal);
      } catch (error) {
        if (!attempt.signal.aborted) plan.onFailure(error as KitError);
        return new Socket().destroy();
      }
      if (attempt.signal.aborted) this.#socket.destroy();
      return this.#socket;
    }
    disconnect() {
      this.#attempt.abort();
      this.#socket?.destroy();
    }
    check(info: { role?: string }) {
      return plan.accepts(info);
    }
  } as unknown as ConnectorClass;
}
