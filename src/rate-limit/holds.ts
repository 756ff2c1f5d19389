/** Requests that are held on a key before they come to their limiter: counted once they come, given back where they do not. */
import type { Context } from "../context.ts";
import type { Algorithm, Decision, Mode, Outcome } from "./algorithms/algorithm.ts";
import type { Answer, Ask } from "./counter.ts";
import { denialsOf } from "./denials.ts";

/** A request that is held. */
export interface Held {
  readonly keys: readonly string[];
  readonly ask: Ask;
  readonly decision: Promise<Decision>;
  /** It is known to be refused, and nothing was asked. */
  readonly isDenied: boolean;
}

/** Holds requests. */
export interface Holds {
  hold(ask: Ask): Held;
  /** What a request that has come was answered; undefined where it has to be asked for anew. */
  use(held: Held, asks: readonly Ask[], mode: Mode): Promise<readonly Answer[] | undefined>;
  /** Lets go of a request that has not come. */
  release(held: Held): void;
}

/** Makes the holds of one limiter. */
export function createHolds(
  context: Context,
  algorithm: Algorithm,
  settle: (answers: readonly Answer[], outcome: Outcome) => Promise<void>,
): Holds {
  const { connection: on } = context;
  const denials = denialsOf(context);
  const release = async ({ ask, decision: answer, isDenied }: Held): Promise<void> => {
    if (isDenied) return;
    try {
      const decision = await answer;
      denials.learn(ask, decision);
      await settle([{ ask, decision, on }], "release");
    } catch {
      denials.recallOnFailure(ask); // The next request asks again.
    }
  };
  return {
    hold: (ask) => {
      const denial = denials.recall(ask);
      if (denial) return { keys: [], ask, decision: Promise.resolve(denial), isDenied: true };
      denials.asking(ask);
      const decision = algorithm.take(on, ask, "hold");
      decision.catch(() => {}); // Whoever uses it sees it.
      return { keys: [ask.key], ask, decision, isDenied: false };
    },
    use: async (held, asks, mode) => {
      const { ask } = held;
      if (held.isDenied) return undefined; // No longer, or the limiter would not ask.
      // Of a limiter that can be asked ahead, quotas and cost are always the same.
      if (asks.length !== 1 || asks[0]!.key !== ask.key) {
        void release(held);
        return undefined;
      }
      const decision = await held.decision;
      // Those in its way may have been held ahead as well, and never come.
      if (decision.contended && mode === "take") return undefined;
      const answers = [{ ask, decision, on }];
      if (mode === "take") void settle(answers, "count");
      return answers;
    },
    release: (held) => void release(held),
  };
}
