/** Where an entry is looked for: in this process's memory, in what was asked ahead, and in Redis. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Need, Prefetch } from "../prefetch/prefetch.ts";
import type { Engine } from "./engine.ts";
import type { MemoryPlan } from "../config/cache-defaults.ts";
import type { Entry } from "./store/entry.ts";
import type { Place } from "./store/place.ts";
import type { AskedEntry, Found } from "./store/store.ts";
import type { Made, Tier } from "./store/tier.ts";

/** A lookup under way. */
export interface Look {
  readonly found: Promise<Found>;
  /** Of the memory tier, when it began. */
  readonly generation: number;
}

/** A lookup that began before its request had come. */
interface EarlyEntry extends AskedEntry {
  readonly generation: number;
}

/** The lookups of one `cache()`. */
export class Lookup {
  readonly #engine: Engine;
  readonly #tier: Tier | undefined;
  readonly #need: Need<EarlyEntry>;

  /** @param expected where the response is kept of a request that has not come yet, as far as that is known */
  constructor(
    prefetch: Prefetch,
    engine: Engine,
    memory: MemoryPlan | undefined,
    expected: (request: IncomingMessage) => Place | undefined,
  ) {
    this.#engine = engine;
    this.#tier = engine.tiers.open(memory);
    this.#need = prefetch.need({
      ask: (request) => {
        const place = expected(request);
        return place && this.#askAhead(place);
      },
    });
  }

  /** Undefined where Redis will not be asked. */
  #askAhead(place: Place): EarlyEntry | undefined {
    const { overdue, store } = this.#engine;
    if (this.near(place) !== undefined || overdue.concerns(place.versionKeys)) return undefined;
    const asked = store.ask(place);
    asked.values.catch(() => {}); // Whoever uses it sees it.
    return { ...asked, generation: this.#generation() };
  }

  #generation(): number {
    return this.#tier?.generation() ?? 0;
  }

  /** What is in this process's memory. */
  near(place: Place): Entry | undefined {
    return this.#tier?.get(place);
  }

  /** Looks in Redis. */
  begin(request: IncomingMessage, response: ServerResponse, place: Place): Look {
    const early = this.#need.take(request, response);
    const generation = early?.generation ?? this.#generation();
    return { found: this.#engine.store.find(place, early), generation };
  }

  /** Keeps in this process's memory what was found or made; see `Tier.put`. */
  keep(place: Place, made: Made, generation: number): void {
    this.#tier?.put(place, made, generation);
  }
}
