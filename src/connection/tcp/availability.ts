/** Whether commands may be sent to one server; since when not, and why. */
import type { KitError } from "../../errors.ts";
import { type Attempt, kitClosed, unavailable } from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "../port.ts";
import { afterRunning } from "./standstill.ts";

/** Milliseconds, and what is known of the server. */
export interface AvailabilityPlan {
  /** The server as the last attempt knew it. */
  attempt(): Attempt;
  readonly deadline: number;
  /** In place of `deadline` until the first `ready`. */
  readonly connectDeadline: number;
}

/** Promises that wait for one event, each bounded in time. */
class WaitingRoom {
  readonly #waiting = new Set<(error?: KitError) => void>();

  /**
   * Resolves on {@link admit}, with the milliseconds in which the process stood still; rejects on
   * {@link dismiss}, or with `late()` after `ms`.
   */
  wait(ms: number, late: () => KitError): Promise<number> {
    return new Promise<number>((resolve, reject) => {
      const settle = (error?: KitError): void => {
        const stoodStill = clock.stop();
        this.#waiting.delete(settle);
        if (error) reject(error);
        else resolve(stoodStill);
      };
      const clock = afterRunning(ms, () => settle(late()));
      this.#waiting.add(settle);
    });
  }

  admit(): void {
    for (const settle of this.#waiting) settle();
  }

  dismiss(error: KitError): void {
    for (const settle of this.#waiting) settle(error);
  }
}

/**
 * Told what becomes of one server's connections. While there is none, a command waits for one, but an
 * outage costs a command at most one deadline counted from the outage's start: after that, commands fail
 * at once.
 */
export class Availability {
  readonly #plan: AvailabilityPlan;
  readonly #events: ConnectionEvents;
  readonly #waiting = new WaitingRoom();
  #everReady = false;
  #isClosed = false;
  /** There is no connection because nobody needs one. */
  #isIdle = false;
  #isUp = false;
  /** The first turn of the loop is not over. */
  #isStarting = true;
  #downSince = Date.now();
  #problem: KitError | undefined;
  /** Codes that were reported since the connection was last ready. */
  readonly #reported = new Set<string>();

  constructor(plan: AvailabilityPlan, events: ConnectionEvents) {
    this.#plan = plan;
    this.#events = events;
    // What the application does while it starts is not the server's time.
    setImmediate(() => {
      this.#isStarting = false;
      if (!this.#everReady) this.#downSince = Date.now();
    });
  }

  isUp(): boolean {
    return this.#isUp;
  }

  isClosed(): boolean {
    return this.#isClosed;
  }

  everReady(): boolean {
    return this.#everReady;
  }

  state(): ConnectionState {
    const { target, tls } = this.#plan.attempt();
    const offline = this.#isIdle ? "idle" : this.#everReady ? "down" : "connecting";
    const online = this.#isUp ? "ready" : offline;
    return {
      kind: "tcp",
      state: this.#isClosed ? "closed" : online,
      target,
      tls,
      problem: this.#problem,
      unguaranteed: [],
    };
  }

  /** Commands may be sent. */
  up(): void {
    if (this.#isClosed || this.#isUp) return;
    this.#everReady = true;
    this.#isUp = true;
    this.#isIdle = false;
    this.#problem = undefined;
    this.#reported.clear();
    this.#waiting.admit();
    this.#events.connection(this.state());
  }

  /** The connection was lost: commands wait for the next one, at most a deadline from now. */
  down(): void {
    if (this.#isClosed || !this.#isUp) return;
    this.#isUp = false;
    this.#downSince = Date.now();
    this.#events.connection(this.state());
  }

  /** The server does not answer: waiting is no use. */
  shut(why: KitError): void {
    if (this.#isClosed) return;
    this.#problem = why;
    this.#waiting.dismiss(why);
    this.down();
    this.#downSince = 0;
    this.report(why);
  }

  /** The connection was given up because nobody needed it. */
  idle(): void {
    this.#isUp = false;
    this.#isIdle = true;
    this.#events.connection(this.state());
  }

  /** Somebody needs it again. A new connection is made as patiently as the first. */
  wake(): void {
    this.#isIdle = false;
    this.#everReady = false;
    this.#downSince = Date.now();
  }

  isIdle(): boolean {
    return this.#isIdle;
  }

  /** A connection attempt failed. Said once for each cause, until the connection is ready. */
  fail(error: KitError): void {
    if (this.#isClosed) return;
    // A server that has spoken TLS before is frozen, whatever its silence looks like.
    const isFrozen = this.#everReady && error.code === "TLS_NOT_OFFERED";
    const cause = isFrozen ? unavailable(this.#plan.attempt(), "no answer in TLS", error) : error;
    this.#problem = cause;
    this.#waiting.dismiss(cause);
    this.report(cause);
  }

  /** Tells of a cause that was not told since the connection was last ready. */
  report(error: KitError): void {
    if (this.#isClosed || this.#reported.has(error.code)) return;
    this.#reported.add(error.code);
    this.#events.error(error);
  }

  /** Milliseconds that a command which is asked for now may take. */
  budget(): number {
    return this.#everReady ? this.#plan.deadline : this.#plan.connectDeadline;
  }

  /** Milliseconds for which waiting for a connection makes sense. */
  patience(): number {
    if (this.#isUp || this.#isIdle || this.#isStarting) return this.budget();
    return Math.max(0, this.#downSince + this.budget() - Date.now());
  }

  /** Why commands cannot be sent. */
  verdict(): KitError {
    if (this.#isClosed) return kitClosed();
    const waited = Date.now() - this.#downSince;
    return this.#problem ?? unavailable(this.#plan.attempt(), `not connected for ${waited} ms`);
  }

  /**
   * Resolves when commands may be sent, with the milliseconds in which the process stood still meanwhile;
   * rejects when waiting is no use, or after `within` ms.
   */
  async untilUp(within: number = Number.POSITIVE_INFINITY): Promise<number> {
    if (this.#isUp) return 0;
    if (this.#isClosed) throw kitClosed();
    const left = Math.min(within, this.patience());
    if (left <= 0) throw this.verdict();
    return this.#waiting.wait(left, () => this.verdict());
  }

  close(): void {
    this.#isClosed = true;
    this.#isUp = false;
    this.#waiting.dismiss(kitClosed());
  }
}
