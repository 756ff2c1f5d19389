/**
 * A meter: what one quota has seen of one identity. A key holds one for each of its quotas.
 *
 * The text of a key is `;` + name + the numbers of each meter. The name is the algorithm's letter and
 * the window, so that neither another algorithm's nor another window's numbers are ever misread. The
 * first numbers are the same for all: when the current period began, how many milliseconds from then
 * the meter holds anything, and how many requests of this period and the one before are not settled
 * yet. A block precedes the meters as `;!` and the time of its end.
 *
 * All numbers are whole, and a level is counted in requests × milliseconds: nothing is ever rounded.
 */
import type { Database } from "../../connection/script.ts";
import type { Quota } from "./algorithm.ts";

/** What all meters hold, and two numbers of the algorithm's own. */
export type Meter<Field extends string = string> = {
  start: number;
  /** Held requests of the current period. */
  held: number;
  /** Held requests of the period before; older ones are forgotten, as of a process that died. */
  heldBefore: number;
} & { [field in Field]: number };

/** How an algorithm keeps a meter: the same rules in Lua and in TypeScript. */
export interface MeterKind<Field extends string = string> {
  /** Names its meters. */
  readonly letter: string;
  readonly fields: readonly [Field, Field];
  /** The functions below as Lua: `(meter, limit, window, …)` instead of `(meter, quota, now, …)`. */
  readonly lua: string;
  /** Brings a meter to now; `periods` have passed since it was written: 0, 1 or 2 (that or more). */
  advance(meter: Meter<Field>, quota: Quota, now: number, periods: number): void;
  /** What it has counted, in requests × milliseconds. */
  level(meter: Meter<Field>, quota: Quota, now: number): number;
  /** Counts `cost` in the period that `token` names; a negative cost takes back. */
  count(meter: Meter<Field>, quota: Quota, token: number, cost: number): void;
  /** Milliseconds until the level will have sunk by `excess`. */
  wait(meter: Meter<Field>, quota: Quota, now: number, excess: number): number;
  /** Milliseconds until the window ends, or the bucket is full again. */
  reset(meter: Meter<Field>, quota: Quota, now: number): number;
  /** Milliseconds from `start` for which a meter without held requests holds anything. */
  life(meter: Meter<Field>, quota: Quota): number;
}

const CLOCK_LUA = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** `open` brings a meter of KEYS[1] to now; `save` writes meters back, with the time to live of the longest. */
const KEY_LUA = `
local raw = redis.call('GET', KEYS[1])
local names, texts, blocked = {}, {}, 0
if raw then
  for name, numbers in string.gmatch(raw, ';(%l%d+)([ %d]+)') do
    if not texts[name] then names[#names + 1] = name end
    texts[name] = numbers
  end
  blocked = tonumber(string.match(raw, ';!(%d+)') or 0)
end
local function open(limit, window)
  local name, numbers = LETTER .. string.format('%d', window), {}
  for number in string.gmatch(texts[name] or '', '%d+') do
    numbers[#numbers + 1] = tonumber(number)
  end
  texts[name] = nil
  local start, _, held, held_before, one, two = unpack(numbers)
  local meter = { name = name, start = start, held = held, held_before = held_before, [ONE] = one, [TWO] = two }
  local periods = 0
  if #numbers ~= 6 then
    meter.start, meter.held, meter.held_before, meter[ONE], meter[TWO] = now, 0, 0, 0, 0
  elseif now >= start + 2 * window then
    periods, meter.start, meter.held, meter.held_before = 2, now, 0, 0
  elseif now >= start + window then
    periods, meter.start, meter.held, meter.held_before = 1, start + window, 0, held
  end
  advance(meter, limit, window, periods)
  return meter
end
local function save(meters, quotas)
  local ends, text = blocked, ''
  if blocked > now then text = string.format(';!%d', blocked) end
  for i, meter in ipairs(meters) do
    local limit, window = quotas[i][1], quotas[i][2]
    local span = life(meter, limit, window)
    if meter.held + meter.held_before > 0 then span = math.max(span, 2 * window) end
    if level(meter, limit, window) + meter.held + meter.held_before > 0 and meter.start + span > now then
      text = text .. string.format(';%s %d %d %d %d %d %d', meter.name, meter.start, span, meter.held,
        meter.held_before, meter[ONE], meter[TWO])
      ends = math.max(ends, meter.start + span)
    end
  end
  for _, name in ipairs(names) do
    local start, span = string.match(texts[name] or '', '^ (%d+) (%d+)')
    if start and start + span > now then
      text = text .. ';' .. name .. texts[name]
      ends = math.max(ends, start + span)
    end
  end
  local ttl = ends - now
  if text == '' then
    if raw then redis.call('DEL', KEYS[1]) end
  else
    redis.call('SET', KEYS[1], text, 'PX', ttl)
  end
end
`;

/** What a script of one kind of meter begins with. */
export function luaOf({ letter, fields, lua }: MeterKind): string {
  const names = `local LETTER, ONE, TWO = '${letter}', '${fields[0]}', '${fields[1]}'`;
  return CLOCK_LUA + names + lua + KEY_LUA;
}

/** The twin of what {@link luaOf} opens. */
export interface OpenKey<Field extends string> {
  readonly now: number;
  /** When the key's block ends. */
  readonly blocked: number;
  readonly open: (quota: Quota) => Meter<Field>;
  readonly save: (meters: readonly Meter<Field>[], quotas: readonly Quota[]) => void;
}

/** Opens a key of the in-process database. */
export function openKey<Field extends string>(
  database: Database,
  key: string,
  kind: MeterKind<Field>,
): OpenKey<Field> {
  const now = database.now();
  const raw = database.get(key);
  const texts = new Map<string, string>();
  for (const [, name, numbers] of (raw ?? "").matchAll(/;([a-z]\d+)([ \d]+)/g))
    texts.set(name!, numbers!);
  const blocked = Number(/;!(\d+)/.exec(raw ?? "")?.[1] ?? 0);

  const open = (quota: Quota): Meter<Field> => {
    const name = kind.letter + quota.window;
    const numbers = (texts.get(name)?.match(/\d+/g) ?? []).map(Number);
    texts.delete(name);
    const { meter, periods } = meterOf(kind, numbers, quota.window, now);
    kind.advance(meter, quota, now, periods);
    return meter;
  };

  const save: OpenKey<Field>["save"] = (meters, quotas) => {
    let ends = blocked;
    let text = blocked > now ? `;!${blocked}` : "";
    for (const [index, meter] of meters.entries()) {
      const quota = quotas[index]!;
      const holds = meter.held + meter.heldBefore;
      const span = Math.max(kind.life(meter, quota), holds > 0 ? 2 * quota.window : 0);
      if (kind.level(meter, quota, now) + holds === 0 || meter.start + span <= now) continue;
      const [one, two] = kind.fields;
      text += `;${kind.letter}${quota.window} ${meter.start} ${span} ${meter.held} ${meter.heldBefore} ${meter[one]} ${meter[two]}`;
      ends = Math.max(ends, meter.start + span);
    }
    for (const [name, numbers] of texts) {
      const [, start, span] = /^ (\d+) (\d+)/.exec(numbers) ?? [];
      if (start === undefined || Number(start) + Number(span) <= now) continue;
      text += `;${name}${numbers}`;
      ends = Math.max(ends, Number(start) + Number(span));
    }
    if (text === "") database.del(key);
    else database.set(key, text, ends - now);
  };
  return { now, blocked, open, save };
}

function meterOf<Field extends string>(
  kind: MeterKind<Field>,
  numbers: readonly number[],
  window: number,
  now: number,
): { meter: Meter<Field>; periods: number } {
  const [one, two] = kind.fields;
  const make = (start: number, held: number, heldBefore: number, first = 0, second = 0) =>
    ({ start, held, heldBefore, [one]: first, [two]: second }) as Meter<Field>;
  if (numbers.length !== 6) return { meter: make(now, 0, 0), periods: 0 };
  const [start, , held, heldBefore, first, second] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (now >= start + 2 * window) return { meter: make(now, 0, 0, first, second), periods: 2 };
  if (now >= start + window)
    return { meter: make(start + window, 0, held, first, second), periods: 1 };
  return { meter: make(start, held, heldBefore, first, second), periods: 0 };
}
