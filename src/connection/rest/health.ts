/** Whether the database answers over REST; since when not, and why: told to the listeners once for each cause. */
import type { KitError } from "../../errors.ts";
import type { Attempt } from "../diagnosis.ts";
import type { ConnectionEvents, ConnectionState } from "../port.ts";

/** What is known of the database. */
export class Health {
  readonly #attempt: Attempt;
  readonly #events: ConnectionEvents;
  #everReady = false;
  #isUp = false;
  #isClosed = false;
  #problem: KitError | undefined;
  /** Codes that were reported since the last success. */
  readonly #reported = new Set<string>();

  constructor(attempt: Attempt, events: ConnectionEvents) {
    this.#attempt = attempt;
    this.#events = events;
  }

  isUp(): boolean {
    return this.#isUp;
  }

  everReady(): boolean {
    return this.#everReady;
  }

  /** The database answered. */
  up(): void {
    this.#problem = undefined;
    this.#reported.clear();
    if (this.#isUp || this.#isClosed) return;
    this.#everReady = true;
    this.#isUp = true;
    this.#events.connection(this.state());
  }

  /** A request failed; its callers are told. */
  failed(why: KitError): void {
    this.#problem = why;
  }

  /** Commands are not sent any more. */
  down(why: KitError): void {
    if (this.#isClosed) return;
    this.#problem = why;
    if (this.#isUp) {
      this.#isUp = false;
      this.#events.connection(this.state());
    }
    this.report(why);
  }

  /** Tells of a cause that was not told since the last success. */
  report(error: KitError): void {
    if (this.#isClosed || this.#reported.has(error.code)) return;
    this.#reported.add(error.code);
    this.#events.error(error);
  }

  close(): void {
    this.#isClosed = true;
    this.#isUp = false;
  }

  state(): ConnectionState {
    const offline = this.#everReady ? "down" : "connecting";
    const online = this.#isUp ? "ready" : offline;
    return {
      kind: "rest",
      state: this.#isClosed ? "closed" : online,
      target: this.#attempt.target,
      tls: this.#attempt.tls,
      problem: this.#problem,
      unguaranteed: [],
    };
  }
}
