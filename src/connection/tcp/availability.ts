/** Whether commands may be sent over an ioredis client; since when not, and why. */
import type { Redis } from "ioredis";
import type { KitError } from "../../errors.ts";
import { withDeadline } from "../deadline.ts";
import { type Attempt, diagnose, kitClosed, unavailable } from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "../port.ts";

/** Milliseconds, and what is known of the server. */
export interface AvailabilityPlan {
  readonly attempt: Attempt;
  readonly deadline: number;
  /** In place of `deadline` until the first `ready`. */
  readonly connectDeadline: number;
}

/** Promises that wait for one event, each bounded in time. */
class WaitingRoom {
  readonly #waiting = new Set<(error?: KitError) => void>();

  /** Resolves on {@link admit}; rejects on {@link dismiss}, or with `late()` after `ms`. */
  wait(ms: number, late: () => KitError): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const settle = (error?: KitError): void => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        if (error) reject(error);
        else resolve();
      };
      const timer = setTimeout(() => settle(late()), ms);
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
 * Watches one client. While there is no connection, a command waits for one, but an outage costs a
 * command at most one deadline counted from the outage's start: after that, commands fail at once.
 */
export class Availability {
  readonly #redis: Redis;
  readonly #plan: AvailabilityPlan;
  readonly #events: ConnectionEvents;
  readonly #waiting = new WaitingRoom();
  #everReady = false;
  #isClosed = false;
  #isHandshaking = false;
  #isUp = false;
  #downSince = Date.now();
  #problem: KitError | undefined;
  /** Codes that were reported since the connection was last ready. */
  readonly #reported = new Set<string>();
  /** Commands under way, and what waits for the last of them. */
  #underWay = 0;
  #onIdle = (): void => {};

  constructor(redis: Redis, plan: AvailabilityPlan, events: ConnectionEvents) {
    this.#redis = redis;
    this.#plan = plan;
    this.#events = events;
    redis.on("connect", () => (this.#isHandshaking = true));
    redis.on("error", (error: Error) => {
      this.#isHandshaking = false; // What follows, the close, has its reason now.
      this.fail(this.#diagnose(error));
    });
    redis.on("ready", () => this.#onReady());
    redis.on("close", () => this.#onClose());
  }

  #onReady(): void {
    this.#everReady = true;
    this.#isUp = true;
    this.#isHandshaking = false;
    this.#problem = undefined;
    this.#reported.clear();
    this.#waiting.admit();
    this.#events.connection(this.state());
  }

  #onClose(): void {
    if (this.#isHandshaking) {
      this.fail(this.#diagnose(new Error("Connection is closed.")));
    }
    this.#isHandshaking = false;
    if (!this.#isUp || this.#isClosed) return;
    this.#isUp = false;
    this.#downSince = Date.now();
    this.#events.connection(this.state());
  }

  #diagnose(error: Error): KitError {
    return diagnose(error, this.#plan.attempt, this.#everReady ? "established" : "greeting");
  }

  #verdict(): KitError {
    const waited = Date.now() - this.#downSince;
    return this.#problem ?? unavailable(this.#plan.attempt, `not connected for ${waited} ms`);
  }

  isReady(): boolean {
    return !this.#isClosed && this.#redis.status === "ready";
  }

  state(): ConnectionState {
    const { target, tls } = this.#plan.attempt;
    const offline = this.#everReady ? "down" : "connecting";
    const online = this.isReady() ? "ready" : offline;
    return {
      kind: "tcp",
      state: this.#isClosed ? "closed" : online,
      target,
      tls,
      problem: this.#problem,
      unguaranteed: [],
    };
  }

  /** A connection attempt failed. Said once for each cause, until the connection is ready. */
  fail(error: KitError): void {
    if (this.#isClosed) return;
    // A server that has spoken TLS before is frozen, whatever its silence looks like.
    const isFrozen = this.#everReady && error.code === "TLS_NOT_OFFERED";
    const cause = isFrozen ? unavailable(this.#plan.attempt, "no answer in TLS", error) : error;
    this.#problem = cause;
    this.#waiting.dismiss(cause);
    if (this.#reported.has(cause.code)) return;
    this.#reported.add(cause.code);
    this.#events.error(cause);
  }

  /** Milliseconds that a command which is asked for now may take. */
  budget(): number {
    return this.#everReady ? this.#plan.deadline : this.#plan.connectDeadline;
  }

  /** Counts a command that is under way until it settles. */
  async track<T>(command: Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      return await command;
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#onIdle();
    }
  }

  /** Resolves when commands may be sent; rejects when waiting is no use. */
  async untilReady(): Promise<void> {
    if (this.isReady()) return;
    if (this.#isClosed) throw kitClosed();
    const left = this.#downSince + this.budget() - Date.now();
    if (left <= 0) throw this.#verdict();
    await this.#waiting.wait(left, () => this.#verdict());
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const isReady = this.isReady();
    this.#isClosed = true;
    this.#waiting.dismiss(kitClosed());
    if (isReady) await this.#settle();
    this.#redis.disconnect();
  }

  /** Lets commands under way end (each is bounded in time), and says goodbye. */
  async #settle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await withDeadline(this.#redis.quit(), this.#plan.deadline, "QUIT").catch(() => {});
  }
}
