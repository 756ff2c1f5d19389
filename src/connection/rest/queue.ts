/** Commands that wait for a request, and how many of them one request carries. */
import type { KitError } from "../../errors.ts";
import type { PendingCommand } from "./pending.ts";

/** The most commands of one request. */
const MOST = 1000;
/**
 * Characters after which a request takes no further command. Upstash bounds a request's size (10 MB), and
 * the answer to a small command need not wait behind many large ones. A command that is larger by itself
 * goes alone.
 */
const LONGEST = 1_000_000;

/** First in, first out. */
export class Queue {
  #waiting: PendingCommand[] = [];

  isEmpty(): boolean {
    while (this.#waiting[0]?.isSettled) this.#waiting.shift();
    return this.#waiting.length === 0;
  }

  add(command: PendingCommand): void {
    this.#waiting.push(command);
  }

  /** Puts commands that did not run before all others. */
  putBack(commands: readonly PendingCommand[]): void {
    this.#waiting = [...commands, ...this.#waiting];
  }

  /** The commands of the next request. */
  take(): PendingCommand[] {
    const taken: PendingCommand[] = [];
    let length = 0;
    let passed = 0;
    for (const command of this.#waiting) {
      const isFull = taken.length === MOST || length + command.json.length > LONGEST;
      if (taken.length > 0 && isFull) break;
      passed += 1;
      if (command.isSettled) continue;
      taken.push(command);
      length += command.json.length;
    }
    this.#waiting.splice(0, passed);
    return taken;
  }

  /** Nothing of it will be sent. */
  refuse(why: KitError): void {
    for (const command of this.#waiting.splice(0)) command.reject(why);
  }
}
