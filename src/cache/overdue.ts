/**
 * Purges that Redis did not take when a response waited for them. They are tried again until they are done
 * or beside the point; meanwhile this process takes nothing from the cache that they would have taken back.
 */

/** How often they are tried again, and for how long at most: milliseconds. */
const PAUSE = 500;
const PATIENCE = 3_600_000;
/** Beyond so many, the oldest are given up. */
const MAX = 10_000;

/** The overdue purges of one kit. */
export class Overdue {
  readonly #drop: (keys: readonly string[]) => Promise<unknown>;
  /** When each is given up, by `performance.now()`. */
  readonly #keys = new Map<string, number>();
  #isWaiting = false;

  /** @param drop deletes keys; rejects where Redis cannot be asked */
  constructor(drop: (keys: readonly string[]) => Promise<unknown>) {
    this.#drop = drop;
  }

  add(keys: readonly string[]): void {
    for (const key of keys) {
      this.#keys.delete(key);
      this.#keys.set(key, performance.now() + PATIENCE);
    }
    for (const key of this.#keys.keys()) {
      if (this.#keys.size <= MAX) break;
      this.#keys.delete(key);
    }
    this.#wait();
  }

  /** Whether anything that was made under these versions is to be left alone. */
  concerns(keys: readonly string[]): boolean {
    return this.#keys.size > 0 && keys.some((key) => this.#keys.has(key));
  }

  #wait(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    setTimeout(() => void this.#retry(), PAUSE).unref();
  }

  async #retry(): Promise<void> {
    const now = performance.now();
    const due = [...this.#keys];
    for (const [key, until] of due) if (until < now) this.#keys.delete(key);
    try {
      await this.#drop(due.map(([key]) => key));
      // What was added anew meanwhile has another time.
      for (const [key, until] of due) if (this.#keys.get(key) === until) this.#keys.delete(key);
    } catch {
      // It was told when it was first tried; an outage is told by the connection.
    }
    this.#isWaiting = false;
    if (this.#keys.size > 0) this.#wait();
  }
}
