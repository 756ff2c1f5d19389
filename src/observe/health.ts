/** `health()`: whether the kit can work now, for a load balancer or a person. */
import type { Connection, ConnectionState } from "../connection/port.ts";
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
}

/** Sends a PING, bounded by the deadline. Never rejects. */
export async function checkHealth(connection: Connection): Promise<Health> {
  const started = performance.now();
  try {
    await connection.ping();
    const { kind, tls } = connection.state();
    const latency = Math.round((performance.now() - started) * 100) / 100;
    return { status: kind === "memory" ? "memory" : "ok", connection: kind, tls, latency };
  } catch (error) {
    const { kind, tls } = connection.state();
    return { status: "down", connection: kind, tls, problem: (error as KitError).code };
  }
}
