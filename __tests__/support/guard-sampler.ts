/** Looks at a round's users without a pause, on a connection of its own. */
import type { Connection } from "../../src/connection/port.ts";
import { lookAround, lookAtOnce, lookAtSets, type Look, type Watch } from "./guard-look.ts";
import type { Place } from "./guard-places.ts";

interface Watched {
  readonly users: readonly string[];
  readonly watch: Watch;
}

/**
 * On one server a script sees Sets and sessions in one step. On a Cluster, whose keys are in different
 * slots, none can; there it looks at each Set alone, which SMEMBERS does in one step. That is sound:
 * who is in no Set is not valid, so more valid sessions than allowed would be more members than
 * allowed, at the same instant. In memory it looks after each command, and so misses none.
 */
export class Sampler {
  readonly #place: Place;
  readonly #connection: Connection;
  #watched: Watched | undefined;
  #isRunning = false;
  #running: Promise<void> = Promise.resolve();
  #looking: Promise<void> = Promise.resolve();

  constructor(place: Place) {
    this.#place = place;
    this.#connection = place.open();
  }

  /** Whose sessions are looked at from now on; nobody's while there is none. */
  watch(watched: Watched | undefined): void {
    this.#watched = watched;
  }

  /** Resolves once all looks so far are judged. */
  async settled(): Promise<void> {
    await this.#looking;
  }

  /** What stands there, as long as nothing is under way. */
  lookStill(users: readonly string[]): Promise<Look> {
    const isOne = this.#place.kind !== "cluster";
    return isOne ? lookAtOnce(this.#connection, users) : lookAround(this.#connection, users);
  }

  /** In memory the look is over when this returns; what it saw is judged in a moment. */
  lookNow(): void {
    if (this.#watched) this.#looking = this.#look(this.#watched);
  }

  async #look({ users, watch }: Watched): Promise<void> {
    if (this.#place.kind === "cluster") {
      watch.judgeSets(await lookAtSets(this.#connection, users), -1);
      return;
    }
    watch.judge(await lookAtOnce(this.#connection, users), -1, false);
  }

  start(): void {
    this.#isRunning = true;
    if (this.#place.kind === "memory") return;
    const sample = async (): Promise<void> => {
      while (this.#isRunning) {
        this.#looking = this.#watched
          ? this.#look(this.#watched)
          : new Promise((resolve) => setImmediate(resolve));
        await this.#looking;
      }
    };
    this.#running = sample();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#running;
    await this.#looking;
    if (this.#place.kind !== "memory") await this.#connection.close();
  }
}
