/** An answer that was given and is held: its calls, in their order, until it may leave or is dropped. */
import type { ServerResponse } from "node:http";
import {
  type Call,
  callBack,
  type CallName,
  type Calls,
  freezeHeader,
  guardSocket,
  lateWrite,
} from "../held-response.ts";

/** Asked before bytes leave. */
export interface Gate {
  /** What header and end have to wait for; undefined where they may leave at once. */
  work(): Promise<void> | undefined;
  /** The header is about to leave. */
  onHeader(): void;
  /** The wait failed before the header left. Answers with `below`, in place of all that was held. */
  answerInstead(error: unknown, below: Calls): void;
  /** The wait failed after the header left. */
  report(error: unknown): void;
}

/** One answer while it is held: the calls that gave it, in their order. */
export class HeldAnswer {
  readonly #response: ServerResponse;
  readonly #gate: Gate;
  readonly #calls: [CallName, unknown[]][] = [];
  readonly #thaw: () => void;
  readonly #listening: Set<Call> | undefined;
  #letGo = (): void => {};
  #isEnded = false;

  constructor(response: ServerResponse, gate: Gate, listening: Set<Call> | undefined) {
    this.#response = response;
    this.#gate = gate;
    this.#listening = listening;
    this.#thaw = response.headersSent ? () => {} : freezeHeader(response);
  }

  take(name: CallName, args: unknown[]): unknown {
    if (this.#isEnded) return name === "write" ? lateWrite(...args) : this.#response;
    this.#calls.push([name, args]);
    if (name === "write") return false;
    if (name === "end") {
      this.#isEnded = true;
      this.#letGo = guardSocket(this.#response);
    }
    return this.#response;
  }

  /** Waits; what the application changed while the answer was held has to be stored, too. Answers what failed. */
  async wait(first: Promise<void>): Promise<{ readonly error: unknown } | undefined> {
    try {
      await first;
      if (this.#isEnded) await this.#gate.work();
      return undefined;
    } catch (error) {
      return { error };
    } finally {
      this.#thaw();
    }
  }

  /** Gives the answer, by the calls that it was given with. */
  release(pass: (name: CallName, args: unknown[]) => unknown): void {
    this.#letGo();
    let isRoom = true;
    for (const [name, args] of this.#calls) {
      const result = pass(name, args);
      if (name === "write") isRoom = result !== false;
    }
    // Where there is no room below, whoever waits is told from there.
    if (isRoom && !this.#isEnded) this.#wake();
  }

  /** Whoever waits with further bytes goes on. */
  #wake(): void {
    if (this.#listening === undefined) this.#response.emit("drain");
    else for (const listener of this.#listening) listener.call(this.#response);
  }

  /** The answer is dropped; whoever goes on giving it is left in the belief that it leaves. */
  discard(): void {
    this.#letGo();
    for (const [, args] of this.#calls) callBack(args);
    if (!this.#isEnded) this.#wake();
  }
}

/**
 * Who listens for `drain` where something below takes such listeners to a stream of its own, as
 * compression does: an event would not reach them. Undefined where an event does.
 */
export function noteListening(response: ServerResponse): Set<Call> | undefined {
  if (!Object.hasOwn(response, "on")) return undefined;
  const listening = new Set<Call>();
  const on = response.on.bind(response) as (name: string, listener: Call) => unknown;
  response.on = ((name: string, listener: Call) => {
    if (name === "drain") listening.add(listener);
    return on(name, listener);
  }) as typeof response.on;
  return listening;
}
