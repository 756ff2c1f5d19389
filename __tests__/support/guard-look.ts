/** Looks at users' Sets and at the sessions in them, and judges each instant that was seen. */
import type { Connection } from "../../src/connection/port.ts";
import { defineScript, type Script } from "../../src/connection/script.ts";
import { decode } from "../../src/session/records/record.ts";

/** The invariants of the guard, and `limit`: what `whenFull: 'refuse'` promises. */
export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "limit";

/** An invariant that was seen broken. */
export interface Violation {
  readonly invariant: Invariant;
  readonly what: string;
}

/** Of each user: the members, and the text of their sessions' keys; empty where there is none. */
export type Look = ReadonlyMap<string, ReadonlyMap<string, string>>;

const setOf = (user: string): string => `user:${user}:sessions`;

/** Reads any number of Sets, and all sessions in them, in one step. Arguments: the further Sets' keys. */
const lookScript: Script<string[][]> = defineScript({
  name: "test-look",
  lua: `
local all = {}
local function look(key)
  local found = {}
  for _, id in ipairs(redis.call('SMEMBERS', key)) do
    found[#found + 1] = id
    found[#found + 1] = redis.call('GET', 'session:' .. id) or ''
  end
  all[#all + 1] = found
end
look(KEYS[1])
for _, key in ipairs(ARGV) do look(key) end
return all
`,
  run: (database, key, args) =>
    [key, ...args.map(String)].map((set) =>
      database.smembers(set).flatMap((id) => [id, database.get(`session:${id}`) ?? ""]),
    ),
  parse: (raw) => raw as string[][],
});

/** Looks in one atomic step: where all keys are in one place. */
export async function lookAtOnce(connection: Connection, users: readonly string[]): Promise<Look> {
  const [first, ...others] = users.map(setOf) as [string, ...string[]];
  const found = await connection.run(lookScript, first, others);
  return new Map(
    users.map((user, place) => {
      const pairs = found[place]!;
      const ids = pairs.filter((_, index) => index % 2 === 0);
      return [user, new Map(ids.map((id, index) => [id, pairs[2 * index + 1]!]))];
    }),
  );
}

/** Looks with a command a key: one instant only while the world stands still. */
export async function lookAround(connection: Connection, users: readonly string[]): Promise<Look> {
  const found = users.map(async (user): Promise<[string, Map<string, string>]> => {
    const ids = await connection.smembers(setOf(user));
    const texts = await Promise.all(ids.map((id) => connection.get(`session:${id}`)));
    return [user, new Map(ids.map((id, index) => [id, texts[index] ?? ""]))];
  });
  return new Map(await Promise.all(found));
}

/** Looks at the Sets alone, each in one step of its own. */
export async function lookAtSets(connection: Connection, users: readonly string[]): Promise<Look> {
  const found = users.map(async (user): Promise<[string, Map<string, string>]> => {
    const ids = await connection.smembers(setOf(user));
    return [user, new Map(ids.map((id) => [id, ""]))];
  });
  return new Map(await Promise.all(found));
}

/** Whether a key's text is a session that is signed in as a user. */
function isSessionOf(user: string, text: string): boolean {
  if (text === "") return false;
  const record = decode(text);
  return record.kind === "live" && record.data["userId"] === user;
}

/** The ids that are valid for a user. */
export function validIn(look: Look, user: string): string[] {
  const members = [...(look.get(user) ?? [])];
  return members.filter(([, text]) => isSessionOf(user, text)).map(([id]) => id);
}

/** From when until when a session was seen valid. */
export interface Span {
  first: number;
  last: number;
}

/** What one stream of looks has shown; each stream is in order in itself only. */
export class Watch {
  readonly #most: number;
  readonly #report: (violation: Violation) => void;
  readonly #hasDied: () => boolean;
  readonly #stored = new Set<string>();
  readonly #gone = new Set<string>();
  /** Of each user and id. */
  readonly spans: Map<string, Span> = new Map();
  /** How many were valid at each time that was judged. */
  readonly counts: Map<string, number> = new Map();
  looks = 0;
  /** The most valid sessions of a user at one instant. */
  mostValid = 0;

  constructor(most: number, hasDied: () => boolean, report: (violation: Violation) => void) {
    this.#most = most;
    this.#hasDied = hasDied;
    this.#report = report;
  }

  spanOf(user: string, id: string): Span | undefined {
    return this.spans.get(`${user} ${id}`);
  }

  /** A session of a user that was valid at the last look. */
  lastValid(user: string): string | undefined {
    const names = [...this.spans.keys()].filter((name) => name.startsWith(`${user} `));
    return names.find((name) => !this.#gone.has(name))?.slice(user.length + 1);
  }

  #tooMany(user: string, ids: readonly string[], now: number): void {
    this.mostValid = Math.max(this.mostValid, ids.length);
    if (ids.length <= this.#most) return;
    const invariant = this.#hasDied() ? "I5" : "I1";
    this.#report({ invariant, what: `${ids.join(", ")} are valid for ${user} at ${now}` });
  }

  /** Judges the Sets alone: who is in none is not valid, so more than `most` members would be needed. */
  judgeSets(look: Look, now: number): void {
    this.looks += 1;
    for (const [user, members] of look) this.#tooMany(user, [...members.keys()], now);
  }

  /** @param isStill nothing was under way, and no instant was left out since the look before */
  judge(look: Look, now: number, isStill: boolean): void {
    this.looks += 1;
    for (const [user, members] of look) {
      const valid = validIn(look, user);
      this.#tooMany(user, valid, now);
      this.counts.set(`${user} ${now}`, valid.length);
      for (const [id, text] of members) {
        if (text !== "") this.#stored.add(id);
        else if (isStill && !this.#stored.has(id))
          this.#report({ invariant: "I5", what: `${id} is a member at ${now}, and not stored` });
      }
      this.#follow(user, valid, now);
    }
  }

  #follow(user: string, valid: readonly string[], now: number): void {
    for (const id of valid) {
      const name = `${user} ${id}`;
      if (this.#gone.has(name))
        this.#report({ invariant: "I3", what: `${id} of ${user} came back at ${now}` });
      const span = this.spans.get(name) ?? { first: now, last: now };
      span.last = now;
      this.spans.set(name, span);
    }
    for (const name of this.spans.keys()) {
      const [of, id] = name.split(" ") as [string, string];
      if (of === user && !valid.includes(id)) this.#gone.add(name);
    }
  }
}
