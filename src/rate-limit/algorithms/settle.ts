/** The script that ends a held request, or undoes a counted one. */
import { defineScript, type Script } from "../../connection/script.ts";
import type { Asked, Decision, Outcome } from "./algorithm.ts";
import { luaOf, type MeterKind, openKey } from "./meter.ts";

/** Arguments: cost, outcome, then limit, window and token of each quota. */
export function settleScript<Field extends string>(kind: MeterKind<Field>): Script<null> {
  return defineScript<null>({
    name: `settle-${kind.letter}`,
    lua: `${luaOf(kind)}
local cost, outcome = tonumber(ARGV[1]), ARGV[2]
local meters, quotas = {}, {}
for i = 3, #ARGV, 3 do
  local limit, window, token = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local meter = open(limit, window)
  local known = token == meter.start or token == meter.start - window
  if known and outcome == 'undo' then count(meter, window, token, -cost) end
  if known and outcome ~= 'undo' then
    local field = token == meter.start and 'held' or 'held_before'
    meter[field] = math.max(0, meter[field] - cost)
  end
  if outcome == 'count' then count(meter, window, meter.start, cost) end
  local n = #meters + 1
  meters[n], quotas[n] = meter, { limit, window }
end
save(meters, quotas)
return false
`,
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
        const isKnown = token === meter.start || token === meter.start - window;
        if (isKnown && outcome === "undo") kind.count(meter, quota, token, -Number(cost));
        if (isKnown && outcome !== "undo") {
          const field = token === meter.start ? "held" : "heldBefore";
          const counters: { held: number; heldBefore: number } = meter;
          counters[field] = Math.max(0, counters[field] - Number(cost));
        }
        if (outcome === "count") kind.count(meter, quota, meter.start, Number(cost));
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
