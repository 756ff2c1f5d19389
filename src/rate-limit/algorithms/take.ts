/** The script that counts a request on a key: all of its quotas admit it, or none counts it. */
import { type Argument, defineScript, type Script } from "../../connection/script.ts";
import { CONTENDED, type Decision, type Mode, type Quota, type Standing } from "./algorithm.ts";
import { luaOf, type Meter, type MeterKind, type OpenKey, openKey } from "./meter.ts";

const REPLY_HEAD = 3;
const REPLY_STEP = 5;

function takeLua(kind: MeterKind): string {
  const { openKey: head, openMeter, closeMeter, reopenMeter, save } = luaOf(kind);
  const { advance, level, count, wait, reset } = kind.lua;
  return `${head}
local cost, mode = tonumber(ARGV[1]), ARGV[2]
local admitted, contended = blocked <= now, blocked <= now
local ceil, floor = math.ceil, math.floor
for i = 3, #ARGV, 3 do
  ${openMeter}
  local burst = tonumber(ARGV[i + 2])
  local holds = (held + held_before) * window
  local excess, retry = ${level} + holds + (cost - burst) * window, 0
  if excess > 0 and cost > 0 then
    admitted = false
    if cost > burst then
      contended, retry = false, window
    elseif excess > holds then
      contended, excess = false, excess - holds
      ${wait}
      if retry < 1 then retry = 1 end
    else
      retry = math.min(${CONTENDED}, window)
    end
  end
  ${closeMeter}
end
local writes = admitted and mode ~= 'look' and cost > 0
local reply = { admitted and 1 or 0, blocked > now and blocked - now or 0, not admitted and contended and 1 or 0 }
for i = 1, #meters do
  local m = meters[i]
  ${reopenMeter}
  if writes then
    if mode == 'hold' then held = held + cost m.held = held
    else ${count} ${kind.fields.map((field) => `m.${field} = ${field}`).join(" ")} end
  end
  local periods = 0
  ${advance}
  local load, at = ${level} + (held + held_before) * window, ${REPLY_STEP} * i - ${REPLY_STEP - REPLY_HEAD}
  local remaining = floor((m.burst * window - load) / window)
  reply[at + 1] = ceil(load / window)
  reply[at + 2] = remaining > 0 and remaining or 0
  reply[at + 3] = ${reset}
  reply[at + 4] = m.retry
  reply[at + 5] = mode == 'hold' and m.epoch or start
end
if writes or raw ~= '' and redis.call('PTTL', KEYS[1]) < 0 then
  ${save}
end
return reply
`;
}

/** Arguments: cost, mode, then limit, window and burst of each quota. */
export function takeScript<Field extends string>(kind: MeterKind<Field>): Script<Decision> {
  return defineScript<Decision>({
    name: `take-${kind.letter}`,
    lua: takeLua(kind),
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
      else kind.count(meter, quotas[index]!, cost);
    }
    save(meters, quotas);
  }
  return {
    admitted,
    blockedFor: Math.max(0, blocked - now),
    contended: !admitted && !isBlocked && waits.every(({ firm }) => !firm),
    standings: meters.map((meter, index) =>
      standingOf(kind, meter, quotas[index]!, now, waits[index]!.retry, mode),
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
  if (excess <= 0 || cost === 0) return { retry: 0, firm: false };
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
  mode: Mode,
): Standing {
  const { window, burst } = quota;
  const load = kind.level(meter, quota, now) + (meter.held + meter.heldBefore) * window;
  return {
    used: Math.ceil(load / window),
    remaining: Math.max(0, Math.floor((burst * window - load) / window)),
    reset: kind.reset(meter, quota, now),
    retryAfter: retry,
    token: mode === "hold" ? meter.epoch : meter.start,
  };
}
