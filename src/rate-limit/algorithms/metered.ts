/** An algorithm made of a kind of meter and three scripts. */
import type { Algorithm } from "./algorithm.ts";
import { blockScript } from "./block.ts";
import type { MeterKind } from "./meter.ts";
import { settleArguments, settleScript } from "./settle.ts";
import { takeArguments, takeScript } from "./take.ts";

/** Makes the algorithm that keeps its counts in meters of one kind. */
export function createMetered<Field extends string>(kind: MeterKind<Field>): Algorithm {
  const take = takeScript(kind);
  const settle = settleScript(kind);
  return {
    take: (on, { key, quotas, cost }, mode) => on.run(take, key, takeArguments(quotas, cost, mode)),
    settle: async (on, asked, decision, outcome) => {
      if (asked.cost === 0) return;
      await on.run(settle, asked.key, settleArguments(asked, decision, outcome));
    },
    block: async (on, key, duration) => {
      await on.run(blockScript, key, [duration]);
    },
  };
}
