/** What this process has changed lately, so that nobody goes by what they read before. */
import type { Connection } from "../connection/port.ts";

/** Beyond so many changes, older ones count as changes of everything. */
const MOST = 10_000;

/** The latest changes of one kit. Times are those of `performance.now()`. */
export class Changes {
  readonly #span: number;
  readonly #times = new Map<string, number>();
  #everything = -Infinity;
  #latest = -Infinity;

  /** @param span milliseconds for which a change is remembered: what was read longer ago is used by nobody */
  constructor(span: number) {
    this.#span = span;
  }

  /** To be called when a change is done, whatever came of it: what is asked from then on sees it. */
  note(key: string): void {
    const now = performance.now();
    this.#times.delete(key);
    this.#times.set(key, now);
    this.#latest = now;
    for (const [old, at] of this.#times) {
      if (this.#times.size > MOST) this.#everything = at;
      else if (now - at <= this.#span) break;
      this.#times.delete(old);
    }
  }

  /** As {@link note}, of every key there is. */
  noteAll(): void {
    this.#everything = this.#latest = performance.now();
  }

  /** Whether any of these keys may have changed after `time`. */
  areSince(time: number, keys: readonly string[]): boolean {
    if (this.#latest < time) return false;
    if (this.#everything >= time) return true;
    return keys.some((key) => (this.#times.get(key) ?? -Infinity) >= time);
  }
}

/** The connection, noting what is written over it. A moved expiry changes nothing that is read. */
export function noting(connection: Connection, changes: Changes): Connection {
  const noted = async <Reply>(key: string, work: Promise<Reply>): Promise<Reply> => {
    try {
      return await work;
    } finally {
      changes.note(key);
    }
  };
  return {
    ...connection,
    set: (key, value, how) => noted(key, connection.set(key, value, how)),
    del: (key) => noted(key, connection.del(key)),
    srem: (key, member) => noted(key, connection.srem(key, member)),
    run: (script, key, args) => noted(key, connection.run(script, key, args)),
  };
}
