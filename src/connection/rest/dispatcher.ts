/** Which commands leave when, and in which request: all of a tick in one, and a bounded number at a time. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { KitError } from "../../errors.ts";
import { kitClosed } from "../diagnosis.ts";
import { Exchange, type Hub } from "./exchange.ts";
import type { PendingCommand } from "./pending.ts";
import { Queue } from "./queue.ts";

/** Requests at one time. While all are under way, commands gather for the next. */
const SLOTS = 8;

/** What a dispatcher needs; {@link Hub.again} is its own. */
export interface DispatcherPlan extends Omit<Hub, "again"> {
  /** Why nothing should be sent now; undefined where it may. */
  refusal(): KitError | undefined;
}

/** Sends commands. */
export class Dispatcher {
  readonly #plan: DispatcherPlan;
  readonly #hub: Hub;
  readonly #queue: Queue = new Queue();
  readonly #requests = new Set<Exchange>();
  #slots = SLOTS;
  #isPumping = false;

  constructor(plan: DispatcherPlan) {
    this.#plan = plan;
    this.#hub = { ...plan, again: (commands) => this.#again(commands) };
  }

  /** Sends a command with the others of this tick. */
  add(command: PendingCommand): void {
    this.#queue.add(command);
    this.#pumpSoon();
  }

  /** Sends a command at once and alone, past the queue. */
  async express(command: PendingCommand): Promise<void> {
    const token = await this.#plan.tokens.current();
    await this.#tidy();
    if (!command.isSettled) this.#exchange([command], token, () => {});
  }

  /** What waits will not be sent. */
  refuse(why: KitError): void {
    this.#queue.refuse(why);
  }

  /** Nobody waits any longer, neither for what is queued nor for what is under way. */
  abandon(): void {
    this.#queue.refuse(kitClosed());
    for (const request of this.#requests) request.abandon();
  }

  #again(commands: readonly PendingCommand[]): void {
    const refusal = this.#plan.refusal();
    if (refusal) {
      for (const command of commands) command.reject(refusal);
      return;
    }
    this.#queue.putBack(commands);
    this.#pumpSoon();
  }

  /** What came while nobody listened, such as a server's FIN, is read before a socket is used. */
  async #tidy(): Promise<void> {
    await nextTurn();
    this.#plan.sockets.sweep();
  }

  #pumpSoon(): void {
    if (this.#isPumping || this.#slots === 0) return;
    this.#isPumping = true;
    this.#pump()
      .catch((error: KitError) => {
        this.#plan.away(error);
        this.#queue.refuse(error);
      })
      .finally(() => {
        this.#isPumping = false;
        this.#pumpOn();
      });
  }

  /** What came while the pump came to its end, or a slot to its own. */
  #pumpOn(): void {
    if (!this.#queue.isEmpty()) this.#pumpSoon();
  }

  async #pump(): Promise<void> {
    await nextTurn(); // All commands of the tick are there.
    await this.#tidy();
    while (this.#slots > 0 && !this.#queue.isEmpty()) {
      const given = this.#plan.tokens.current();
      // eslint-disable-next-line no-await-in-loop -- commands gather until there is a token
      const token = typeof given === "string" ? given : await given;
      this.#send(this.#queue.take(), token);
    }
  }

  #send(commands: readonly PendingCommand[], token: string): void {
    if (commands.length === 0) return;
    this.#slots -= 1;
    this.#exchange(commands, token, () => {
      this.#slots += 1;
      this.#pumpOn();
    });
  }

  #exchange(commands: readonly PendingCommand[], token: string, onEnd: () => void): void {
    const exchange = new Exchange(commands, token, this.#hub, () => {
      this.#requests.delete(exchange);
      onEnd();
    });
    this.#requests.add(exchange);
  }
}
