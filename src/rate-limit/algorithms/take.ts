/** The script that counts a request on a key: all of its quotas admit it, or none counts it. */
import { type Argument, defineScript, type Script } from "../../connection/script.ts";
import type { Decision, Mode, Quota, Standing } from "./algorithm.ts";
import { luaOf, type Meter, type MeterKind, type OpenKey, openKey } from "./meter.ts";

/** How soon a request may come again that only unsettled ones stand in the way of. */
const CONTENDED = 1000;

const REPLY_HEAD = 3;
const REPLY_STEP = 5;

const TAKE_LUA = `
local cost, mode = tonumber(ARGV[1]), ARGV[2]
local meters, quotas, waits = {}, {}, {}
local admitted, contended = blocked <= now, blocked <= now
for i = 3, #ARGV, 3 do
  local limit, window, burst = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local meter = open(limit, window)
  local held = (meter.held + meter.held_before) * window
  local excess = level(meter, limit, window) + held + (cost - burst) * window
  local retry = 0
  if excess > 0 then
    admitted = false
    if cost > burst then
      contended, retry = false, window
    elseif excess > held then
      contended, retry = false, math.max(1, wait(meter, limit, window, excess - held))
    else
      retry = math.min(${CONTENDED}, window)
    end
  end
  local n = #meters + 1
  meters[n], quotas[n], waits[n] = meter, { limit, window, burst }, retry
end
if admitted and mode ~= 'look' and cost > 0 then
  for i, meter in ipairs(meters) do
    if mode == 'hold' then meter.held = meter.held + cost
    else count(meter, quotas[i][2], meter.start, cost) end
  end
  save(meters, quotas)
elseif raw and redis.call('PTTL', KEYS[1]) < 0 then
  save(meters, quotas)
end
local reply = { admitted and 1 or 0, math.max(0, blocked - now), not admitted and contended and 1 or 0 }
for i, meter in ipairs(meters) do
  local limit, window, burst = unpack(quotas[i])
  local load = level(meter, limit, window) + (meter.held + meter.held_before) * window
  for _, number in ipairs({ math.ceil(load / window), math.max(0, math.floor((burst * window - load) / window)),
    reset(meter, limit, window), waits[i], meter.start }) do
    reply[#reply + 1] = number
  end
end
return reply
`;

/** Arguments: cost, mode, then limit, window and burst of each quota. */
export function takeScript<Field extends string>(kind: MeterKind<Field>): Script<Decision> {
  return defineScript<Decision>({
    name: `take-${kind.letter}`,
    lua: luaOf(kind) + TAKE_LUA,
    run: (database, key, [cost, mode, ...numbers]) =>
      take(
        openKey(database, key, kind),
        kind,
        quotasOf(numbers.map(Number)),
        Number(cost),
        mode as Mode,
      ),
    parse: decisionOf,
  });
}

/** The twin of the Lua. */
function take<Field extends string>(
  { now, blocked, open, save }: OpenKey<Field>,
  kind: MeterKind<Field>,
  quotas: readonly Quota[],
  cost: number,
  mode: Mode,
): Decision {
  const meters = quotas.map(open);
  const waits = meters.map((meter, index) => retryAfter(kind, meter, quotas[index]!, now, cost));
  const isBlocked = blocked > now;
  const admitted = !isBlocked && waits.every(({ retry }) => retry === 0);
  if (admitted && mode !== "look" && cost > 0) {
    for (const [index, meter] of meters.entries()) {
      if (mode === "hold") meter.held += cost;
      else kind.count(meter, quotas[index]!, meter.start, cost);
    }
    save(meters, quotas);
  }
  return {
    admitted,
    blockedFor: Math.max(0, blocked - now),
    contended: !admitted && !isBlocked && waits.every(({ firm }) => !firm),
    standings: meters.map((meter, index) =>
      standingOf(kind, meter, quotas[index]!, now, waits[index]!.retry),
    ),
  };
}

/** Reads what the Lua answers. */
function decisionOf(raw: unknown): Decision {
  const numbers = raw as number[];
  const standings: Standing[] = [];
  for (let at = REPLY_HEAD; at < numbers.length; at += REPLY_STEP) {
    standings.push({
      used: numbers[at]!,
      remaining: numbers[at + 1]!,
      reset: numbers[at + 2]!,
      retryAfter: numbers[at + 3]!,
      token: numbers[at + 4]!,
    });
  }
  const [admitted, blockedFor, contended] = numbers;
  return {
    admitted: admitted === 1,
    blockedFor: blockedFor!,
    contended: contended === 1,
    standings,
  };
}

/** The arguments of {@link takeScript}. */
export function takeArguments(quotas: readonly Quota[], cost: number, mode: Mode): Argument[] {
  const numbers: Argument[] = [cost, mode];
  for (const { limit, window, burst } of quotas) numbers.push(limit, window, burst);
  return numbers;
}

function quotasOf(numbers: readonly number[]): Quota[] {
  const quotas: Quota[] = [];
  for (let at = 0; at < numbers.length; at += 3) {
    quotas.push({ limit: numbers[at]!, window: numbers[at + 1]!, burst: numbers[at + 2]! });
  }
  return quotas;
}

/** When a meter will admit the request; `firm` where it refuses whatever becomes of held requests. */
function retryAfter<Field extends string>(
  kind: MeterKind<Field>,
  meter: Meter<Field>,
  quota: Quota,
  now: number,
  cost: number,
): { retry: number; firm: boolean } {
  const { window, burst } = quota;
  const held = (meter.held + meter.heldBefore) * window;
  const excess = kind.level(meter, quota, now) + held + (cost - burst) * window;
  if (excess <= 0) return { retry: 0, firm: false };
  if (cost > burst) return { retry: window, firm: true };
  if (excess <= held) return { retry: Math.min(CONTENDED, window), firm: false };
  return { retry: Math.max(1, kind.wait(meter, quota, now, excess - held)), firm: true };
}

function standingOf<Field extends string>(
  kind: MeterKind<Field>,
  meter: Meter<Field>,
  quota: Quota,
  now: number,
  retry: number,
): Standing {
  const { window, burst } = quota;
  const load = kind.level(meter, quota, now) + (meter.held + meter.heldBefore) * window;
  return {
    used: Math.ceil(load / window),
    remaining: Math.max(0, Math.floor((burst * window - load) / window)),
    reset: kind.reset(meter, quota, now),
    retryAfter: retry,
    token: meter.start,
  };
}
