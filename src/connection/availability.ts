/** Whether commands may be sent over an ioredis client; since when not, and why. */
import type { Redis } from "ioredis";
import { KitError } from "../errors.ts";
import { withDeadline } from "./deadline.ts";
import { type Attempt, diagnose, unavailable } from "./diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "./port.ts";

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

function kitClosed(): KitError {
  return new KitError("KIT_CLOSED", {
    message: "The kit's connection was closed.",
    fix: "Call kit.close() only when the server has stopped.",
    status: 503,
    outcome: "notSent",
  });
}

/** A server that was ready once speaks the right protocol: then it is away, not misconfigured. */
function lostInHandshake(attempt: Attempt, everReady: boolean): KitError {
  const why = "Connection is closed.";
  return everReady ? unavailable(attempt, why) : diagnose(new Error(why), attempt);
}

/** QUIT lets the replies of commands under way come first. */
async function quit(redis: Redis, isReady: boolean, deadline: number): Promise<void> {
  if (isReady) await withDeadline(redis.quit(), deadline, "QUIT").catch(() => {});
  redis.disconnect();
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

  constructor(redis: Redis, plan: AvailabilityPlan, events: ConnectionEvents) {
    this.#redis = redis;
    this.#plan = plan;
    this.#events = events;
    redis.on("connect", () => (this.#isHandshaking = true));
    redis.on("error", (error: Error) => this.fail(diagnose(error, plan.attempt)));
    redis.on("ready", () => this.#onReady());
    redis.on("close", () => this.#onClose());
  }

  #onReady(): void {
    this.#everReady = true;
    this.#isUp = true;
    this.#isHandshaking = false;
    this.#problem = undefined;
    this.#waiting.admit();
    this.#events.connection(this.state());
  }

  #onClose(): void {
    if (this.#isHandshaking) this.fail(lostInHandshake(this.#plan.attempt, this.#everReady));
    this.#isHandshaking = false;
    if (!this.#isUp || this.#isClosed) return;
    this.#isUp = false;
    this.#downSince = Date.now();
    this.#events.connection(this.state());
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
    };
  }

  /** A connection attempt failed. Said once for each cause, until the connection is ready. */
  fail(error: KitError): void {
    if (this.#isClosed) return;
    const isNews = this.#problem?.code !== error.code;
    this.#problem = error;
    this.#waiting.dismiss(error);
    if (isNews) this.#events.error(error);
  }

  /** Milliseconds that a command which is asked for now may take. */
  budget(): number {
    return this.#everReady ? this.#plan.deadline : this.#plan.connectDeadline;
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
    await quit(this.#redis, isReady, this.#plan.deadline);
  }
}
