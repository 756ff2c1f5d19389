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
  readonly #drop: (key: string) => Promise<boolean>;
  /** When each is given up, by `performance.now()`. */
  readonly #keys = new Map<string, number>();
  #isWaiting = false;

  /** @param drop deletes a key; answers whether that is done with, without a word where it is not */
  constructor(drop: (key: string) => Promise<boolean>) {
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
    await Promise.all(
      [...this.#keys].map(async ([key, until]) => {
        // What was added anew meanwhile has another time.
        const isDone = until < now || (await this.#drop(key));
        if (isDone && this.#keys.get(key) === until) this.#keys.delete(key);
      }),
    );
    this.#isWaiting = false;
    if (this.#keys.size > 0) this.#wait();
  }
}
