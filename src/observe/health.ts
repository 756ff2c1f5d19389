/** `health()`: whether the kit can work now, for a load balancer or a person. */
import type { Connection, ConnectionState, Guarantee } from "../connection/port.ts";
import type { KitError } from "../errors.ts";

/** What `health()` answers; safe to send to anyone who may know that Redis is used. */
export interface Health {
  /** `ok`: Redis answers. `memory`: this process counts and remembers for itself. `down`: Redis does not answer. */
  readonly status: "ok" | "memory" | "down";
  /** What the kit runs on. */
  readonly connection: ConnectionState["kind"];
  /** Whether the connection is encrypted. */
  readonly tls: boolean;
  /** Milliseconds that a PING took; absent where it failed. */
  readonly latency?: number;
  /** The stable code of what is wrong. */
  readonly problem?: string;
  /** What the kit cannot promise on a client that the application brought; absent where it promises all. */
  readonly unguaranteed?: readonly Guarantee[];
}

/** What is known without asking. */
function known({ kind, tls, unguaranteed }: ConnectionState) {
  return { connection: kind, tls, ...(unguaranteed.length > 0 && { unguaranteed }) };
}

/** Sends a PING, bounded by the deadline. Never rejects. */
export async function checkHealth(connection: Connection): Promise<Health> {
  const started = performance.now();
  try {
    await connection.ping();
    const state = connection.state();
    const latency = Math.round((performance.now() - started) * 100) / 100;
    return { status: state.kind === "memory" ? "memory" : "ok", ...known(state), latency };
  } catch (error) {
    const { code } = error as KitError;
    return { status: "down", ...known(connection.state()), problem: code };
  }
}
