/** Takes over sessions that another library wrote: marks and claims each, once, when it is first read. */
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import type { Admission } from "./guard/admission.ts";
import type { Foreign } from "./records/foreign.ts";
import {
  decode,
  encode,
  type Mark,
  type SessionJson,
  tombstone,
  type UserOf,
} from "./records/record.ts";
import type { Records } from "./records/records.ts";
import { compareAndSet } from "./records/save.ts";

/** Other requests that may come first, each with a write of the same key. */
const MOST_ATTEMPTS = 4;

/** What adoption needs of the ledger. */
export interface AdoptionOptions {
  readonly userOf: UserOf;
  readonly prefix: string | undefined;
  lifetime(this: void, cookie: SessionJson["cookie"], mark: Mark): number;
}

/**
 * Makes what answers the text that counts for an id, of which `held` stands in its key: `held` itself,
 * where it is marked or no session at all, and null where nothing is there.
 *
 * The mark comes first, with one write that one request wins, and only that one claims. Where the
 * session stood under another prefix, that key is marked, too, and a tombstone follows the session's
 * end: so one that was ended is not claimed again, whatever is left of it. Where the process dies, or
 * Redis fails, between the two, the session is marked and in no Set: its user has to sign in again.
 */
export function createAdoption(
  context: Context,
  records: Records,
  foreign: Foreign,
  admission: Admission,
  options: AdoptionOptions,
): (id: string, held: string | null) => Promise<string | null> {
  const { connection, keys } = context;

  /** Answers what stands in the key afterwards, and whether this call put it there. */
  const mark = async (id: string, held: string | null, origin: string, data: SessionJson) => {
    const isForeign = held === null && options.prefix !== undefined;
    const adopted: Mark = {
      v: 1,
      created: Date.now(),
      adopted: true,
      ...(isForeign && { from: options.prefix }),
    };
    const ttl = Math.ceil(options.lifetime(data.cookie, adopted));
    if (ttl <= 0) return { text: null, isMine: false };
    const text = encode(data, adopted);
    if (held !== null) {
      const found = await compareAndSet(connection, keys.session(id), held, text, ttl);
      return found === "" ? { text, isMine: true } : { text: found, isMine: false };
    }
    const isMine = await connection.set(keys.session(id), text, { ttl, condition: "NX" });
    if (!isMine) return { text: await records.textOf(id), isMine };
    await foreign.mark(id, origin, data, adopted, ttl);
    return { text, isMine };
  };
  const claim = async (id: string, text: string, data: SessionJson): Promise<string> => {
    const user = options.userOf(data);
    if (user === undefined || user === "") return text;
    try {
      await admission.admit(user, id, undefined, true);
      return text;
    } catch (error) {
      if (!(error instanceof KitError && error.code === "SESSION_LIMIT")) throw error;
      await records.bury(id, user, "signed-in-elsewhere");
      return tombstone({ reason: "signed-in-elsewhere", at: Date.now() });
    }
  };
  return async (id, held) => {
    let text = held;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      // eslint-disable-next-line no-await-in-loop -- each attempt builds on what the last one found
      const found = text ?? (await foreign.textOf(id));
      const record = found === null ? undefined : decode(found);
      if (found === null || record?.kind !== "live" || record.mark !== undefined) return text;
      // eslint-disable-next-line no-await-in-loop
      const marked = await mark(id, text, found, record.data);
      if (marked.isMine) return claim(id, marked.text!, record.data);
      text = marked.text;
    }
    return text;
  };
}
