/** What is measured, and the messages between the run and a contender's process. */

/** One kind of load. */
export interface Row {
  readonly command: "get" | "evalsha";
  readonly transport: "tcp" | "tls";
  /** Commands that are under way at any time. */
  readonly inFlight: number;
}

/** Every kind of load. */
export const ROWS: readonly Row[] = (["tcp", "tls"] as const).flatMap((transport) =>
  (["get", "evalsha"] as const).flatMap((command) =>
    [1, 50].map((inFlight) => ({ command, transport, inFlight })),
  ),
);

/** How a row is called in a table. */
export function nameOf({ command, transport, inFlight }: Row): string {
  return `${command.toUpperCase()} × ${inFlight}, ${transport.toUpperCase()}`;
}

/** The key that a contender works on, so that its counts can be checked. */
export function keyOf(contender: string, { command, transport }: Row): string {
  return command === "get" ? "bench:value" : `bench:count:${transport}:${contender}`;
}

/** Asks a contender's process to measure a row. */
export interface Question {
  readonly row: Row;
  /** Milliseconds. */
  readonly ms: number;
}

/** What a contender's process measured. */
export interface Measurement {
  /** Commands that were answered. */
  readonly commands: number;
  /** Commands that failed: on a busy machine, those that the kit's deadline ended. */
  readonly failed: number;
  /** Milliseconds. */
  readonly elapsed: number;
  /** Microseconds of the process's CPU, system calls included. */
  readonly cpu: number;
}
