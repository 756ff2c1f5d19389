/** Work under way in this process, by what it is for; others wait for how it ends. */
import type { Entry } from "./store/entry.ts";

/** How work ended, or why it is not waited for any longer. */
export type Outcome =
  | { readonly entry: Entry; readonly vary: readonly string[] | undefined }
  | "refused"
  | "covered"
  | "abandoned"
  | "late"
  | "gone";

/** Work under way. */
export interface Flight {
  readonly outcome: Promise<Outcome>;
  /** Who leads it. */
  readonly owner: object | undefined;
  end(outcome: Outcome): void;
}

/** The work under way. */
export class Flights {
  readonly #underWay = new Map<string, Flight>();

  find(id: string): Flight | undefined {
    return this.#underWay.get(id);
  }

  /** Begins a flight that others find for `age` milliseconds at most. */
  begin(id: string, age: number, owner?: object): Flight {
    let settle!: (outcome: Outcome) => void;
    const outcome = new Promise<Outcome>((resolve) => (settle = resolve));
    const forget = (): void => {
      if (this.#underWay.get(id) === flight) this.#underWay.delete(id);
    };
    const end = (how: Outcome): void => {
      clearTimeout(timer);
      forget();
      settle(how);
    };
    // Whoever waits by then begins anew, as they do in other processes once the lock has ended.
    const timer = setTimeout(end, age, "abandoned" satisfies Outcome).unref();
    const flight: Flight = { outcome, end, owner };
    this.#underWay.set(id, flight);
    return flight;
  }
}

/**
 * How a flight ends: `late` where that takes too long, `gone` where nobody waits any more.
 *
 * @param until by `performance.now()`
 */
export function outcomeOf(
  flight: Flight,
  until: number,
  gone: AbortSignal | undefined,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const leave = (): void => settle("gone");
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      gone?.removeEventListener("abort", leave);
      resolve(outcome);
    };
    const timer = setTimeout(settle, Math.max(0, until - performance.now()), "late");
    gone?.addEventListener("abort", leave);
    void flight.outcome.then(settle);
  });
}
