/** How a session is written: never over what another request wrote, never where it was ended. */
import { createHash } from "node:crypto";
import type { Connection } from "../../connection/port.ts";
import { defineScript, type Script } from "../../connection/script.ts";
import { KitError } from "../../errors.ts";
import { decode, encode, type Mark, mergeChanges, type SessionJson } from "./record.ts";

const sha1 = (text: string): string => createHash("sha1").update(text).digest("hex");

/**
 * Compare and set. Arguments: SHA-1 of the text that was loaded, new text, TTL. Answers null where
 * the key is gone, an empty text where it was written, and what stands there otherwise.
 */
export const saveScript: Script<string | null> = defineScript({
  name: "session-save",
  lua: `
local held = redis.call('GET', KEYS[1])
if not held then return false end
if redis.sha1hex(held) ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ''
`,
  run: (database, key, args) => {
    const held = database.get(key);
    if (held === undefined) return null;
    if (sha1(held) !== args[0]) return held;
    database.set(key, String(args[1]), Number(args[2]));
    return "";
  },
  parse: (raw) => raw as string | null,
});

/** Writes `text` over `loaded`; answers as {@link saveScript}. */
export function compareAndSet(
  connection: Connection,
  key: string,
  loaded: string,
  text: string,
  ttl: number,
): Promise<string | null> {
  return connection.run(saveScript, key, [sha1(loaded), text, ttl]);
}

/** Conflicts in a row after which a save gives up: each one means that another save succeeded. */
const MOST_CONFLICTS = 16;

/** What a save came to: the text that stands in the key now, or that there is nothing to save to. */
export type SaveResult =
  | {
      readonly kind: "saved";
      readonly text: string;
      readonly data: SessionJson;
      /** Top-level keys in which another request's change was overwritten. */
      readonly conflicts: readonly string[];
    }
  | { readonly kind: "gone" };

/**
 * Writes `data` over what was loaded. Where another request wrote in between, this request's changed
 * top-level keys are put onto that and written again.
 *
 * @throws KitError `SESSION_CONFLICT`
 */
export async function saveOver(
  connection: Connection,
  key: string,
  loaded: string,
  data: SessionJson,
  mark: Mark,
  ttl: number,
): Promise<SaveResult> {
  let [base, mine] = [loaded, data];
  const conflicts = new Set<string>();
  for (let attempt = 0; attempt < MOST_CONFLICTS; attempt++) {
    const text = encode(mine, mark);
    // eslint-disable-next-line no-await-in-loop -- each attempt builds on what the last one found
    const held = await compareAndSet(connection, key, base, text, ttl);
    if (held === "") return { kind: "saved", text, data: mine, conflicts: [...conflicts] };
    const theirs = held === null ? undefined : decode(held);
    if (theirs?.kind !== "live") return { kind: "gone" };
    const before = decode(base);
    if (before.kind === "live") {
      const merge = mergeChanges(before.data, mine, theirs.data);
      mine = merge.data;
      for (const name of merge.conflicts) conflicts.add(name);
    }
    base = held!;
  }
  throw new KitError("SESSION_CONFLICT", {
    message: `A session could not be saved: other requests changed it ${MOST_CONFLICTS} times in a row meanwhile.`,
    fix: "Save the session less often, or keep what changes this fast elsewhere.",
    status: 503,
    retryAfter: 1,
  });
}
