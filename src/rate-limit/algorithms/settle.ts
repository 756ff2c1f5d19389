/** The script that ends a held request, or undoes a counted one. */
import { defineScript, type Script } from "../../connection/script.ts";
import type { Asked, Decision, Outcome } from "./algorithm.ts";
import { luaOf, type MeterKind, openKey } from "./meter.ts";

function settleLua(kind: MeterKind): string {
  const { openKey: head, openMeter, closeMeter, save } = luaOf(kind);
  return `${head}
local cost, outcome = tonumber(ARGV[1]), ARGV[2]
for i = 3, #ARGV, 3 do
  ${openMeter}
  local token, burst, retry = tonumber(ARGV[i + 2]), 0, 0
  if outcome == 'undo' then
    if token == start or token == start - window then
      ${kind.lua.undo}
    end
  elseif token == epoch then
    held = math.max(0, held - cost)
  elseif token == epoch - 1 then
    held_before = math.max(0, held_before - cost)
  end
  if outcome == 'count' then ${kind.lua.count} end
  ${closeMeter}
end
${save}
return false
`;
}

/** Arguments: cost, outcome, then limit, window and token of each quota. */
export function settleScript<Field extends string>(kind: MeterKind<Field>): Script<null> {
  return defineScript<null>({
    name: `settle-${kind.letter}`,
    lua: settleLua(kind),
    run: (database, key, [cost, outcome, ...numbers]) => {
      const { open, save } = openKey(database, key, kind);
      const quotas = [];
      const meters = [];
      for (let at = 0; at < numbers.length; at += 3) {
        const [limit, window, token] = numbers.slice(at, at + 3).map(Number) as [
          number,
          number,
          number,
        ];
        const quota = { limit, window, burst: limit };
        const meter = open(quota);
        const { start, epoch } = meter;
        if (outcome === "undo") {
          const isKnown = token === start || token === start - window;
          if (isKnown) kind.undo(meter, quota, Number(cost), token);
        } else if (token === epoch || token === epoch - 1) {
          const field = token === epoch ? "held" : "heldBefore";
          const counters: { held: number; heldBefore: number } = meter;
          counters[field] = Math.max(0, counters[field] - Number(cost));
        }
        if (outcome === "count") kind.count(meter, quota, Number(cost));
        meters.push(meter);
        quotas.push(quota);
      }
      save(meters, quotas);
      return null;
    },
    parse: () => null,
  });
}

/** The arguments of {@link settleScript}. */
export function settleArguments(
  { quotas, cost }: Asked,
  { standings }: Decision,
  outcome: Outcome,
): (string | number)[] {
  return [
    cost,
    outcome,
    ...quotas.flatMap(({ limit, window }, index) => [limit, window, standings[index]!.token]),
  ];
}
