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
  /** The decision, once it is there. */
  made: Decision | undefined;
  /** When it was asked, by `performance.now()`. */
  readonly at: number;
  /** It is known to be refused, and nothing was asked. */
  readonly isDenied: boolean;
}

/** Holds requests. */
export interface Holds {
  hold(ask: Ask): Held;
  /** Whether a request is known to be refused. */
  isDenied(ask: Ask): boolean;
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
  const learn = async (held: Held): Promise<void> => {
    try {
      held.made = await held.decision;
      denials.learn(held.ask, held.made);
    } catch {
      denials.recallOnFailure(held.ask); // Whoever uses it sees why.
    }
  };
  /** Where the answer is in, the release is sent in this very turn: before whatever its request asks next. */
  const release = (held: Held): void => {
    const { ask, made } = held;
    if (made) void settle([{ ask, decision: made, on }], "release");
    else if (!held.isDenied) {
      held.decision.then(
        () => release(held),
        () => {}, // Nobody was told of it, so nothing is known to be held.
      );
    }
  };
  return {
    isDenied: (ask) => denials.recall(ask) !== undefined,
    hold: (ask) => {
      const denial = denials.recall(ask);
      const held: Held = {
        keys: denial ? [] : [ask.key],
        ask,
        decision: denial ? Promise.resolve(denial) : algorithm.take(on, ask, "hold"),
        made: undefined,
        at: performance.now(),
        isDenied: denial !== undefined,
      };
      if (denial) return held;
      denials.asking(ask);
      void learn(held);
      return held;
    },
    use: async (held, asks, mode) => {
      const { ask } = held;
      if (held.isDenied) return undefined; // No longer, or the limiter would not ask.
      const [asked] = asks;
      const decision = await held.decision;
      // Limiters of one type have the same quotas, and each that can be asked ahead always the same cost.
      if (asks.length !== 1 || asked!.key !== ask.key || asked!.cost !== ask.cost) {
        release(held);
        return undefined;
      }
      if (isOver(decision, performance.now() - held.at)) return undefined;
      const answers = [{ ask: asked!, decision, on }];
      if (mode === "take") void settle(answers, "count");
      return answers;
    },
    release,
  };
}

/** Whether a refusal says nothing any more: those in its way may have been held ahead as well, and never come. */
function isOver({ admitted, contended, blockedFor, standings }: Decision, passed: number): boolean {
  if (admitted) return false;
  const waits = standings.map(({ retryAfter }) => retryAfter);
  return contended || passed >= Math.max(blockedFor, ...waits);
}
