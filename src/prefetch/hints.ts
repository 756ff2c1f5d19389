/** Guesses that save a wait. Whoever uses one checks it: a wrong or a missing one costs a round trip, and nothing else. */
import { LRUCache } from "lru-cache";

/** What has more characters is not remembered: what comes from requests must not fill the memory. */
const LONGEST = 1000;

/** A bounded memory of guesses; the one that was not asked for longest goes first. */
export class Hints<Value extends object | string | true> {
  readonly #known: LRUCache<string, Value>;

  constructor(max: number) {
    this.#known = new LRUCache({ max });
  }

  get(key: string): Value | undefined {
    return this.#known.get(key);
  }

  set(key: string, value: Value): void {
    if (key.length > LONGEST || (typeof value === "string" && value.length > LONGEST)) return;
    this.#known.set(key, value);
  }
}
