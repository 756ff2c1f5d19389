/** The keys of sessions: made, ended and deleted, those that another library wrote included. */
import { type Context, reporter } from "../../context.ts";
import type { EndReason } from "../../observe/events.ts";
import { idTaken } from "../failures.ts";
import type { Foreign } from "./foreign.ts";
import { textAt } from "./text-at.ts";
import { type Burial, decode, encode, type Mark, type SessionJson, tombstone } from "./record.ts";

/** Times in milliseconds. */
export interface RecordsOptions {
  readonly idle: number;
  readonly absolute: number;
  /** The prefix of the library whose sessions are taken over. */
  readonly adoptPrefix?: string | undefined;
}

/** Over one connection. Made by {@link createRecords}. */
export interface Records {
  /** What stands in a session's key; of a key that holds no text at all, an empty one. */
  textOf(id: string): Promise<string | null>;
  /** Stores a session under an id that no one else knows; answers the key's text. */
  create(id: string, data: SessionJson, mark: Mark, ttl: number): Promise<string>;
  /** Replaces a session that was ended, so that its client learns why. Never makes a key; answers whether there was one. */
  bury(id: string, userId: string, reason: EndReason): Promise<boolean>;
  /**
   * As {@link Records.bury}, for sessions that are in no Set any more: a burial that fails is reported,
   * and harms nothing. Answers how many sessions there were.
   */
  buryAll(ids: readonly string[], userId: string, reason: EndReason): Promise<number>;
  /**
   * Deletes a session; answers whether there was one. Of an adopted one a tombstone stays: another
   * request may hold what stood in the old key, and be about to adopt or to write it.
   */
  remove(id: string, mark?: Mark): Promise<boolean>;
  /** As {@link Records.remove}; a failure is reported and harms nothing. */
  discard(id: string, mark?: Mark): Promise<void>;
  /** Milliseconds until a session expires; undefined where it has gone. */
  timeLeft(id: string): Promise<number | undefined>;
  /** Moves a session's expiry; a failure is reported and harms nothing. */
  prolong(id: string, ttl: number): Promise<void>;
}

/** Makes the {@link Records} of one kit. */
export function createRecords(
  context: Context,
  options: RecordsOptions,
  foreign: Foreign,
): Records {
  const { connection, keys, events } = context;
  const report = reporter(context);
  const entomb = (id: string, ended: Burial, isAdopted: boolean, condition?: "XX") => {
    // Longer than any key that is to stay ended.
    const ttl = isAdopted ? Math.max(options.idle, options.absolute) : options.idle;
    const how = condition === undefined ? { ttl } : { ttl, condition };
    return connection.set(keys.session(id), tombstone(ended), how);
  };
  const remove = async (id: string, mark?: Mark): Promise<boolean> => {
    if (mark?.adopted !== true) return connection.del(keys.session(id));
    await foreign.remove(id, mark);
    return entomb(id, { reason: "signed-out", at: Date.now() }, true);
  };
  /** Who is revoked may have been adopted by a process that was told more than this one. */
  const markOf = async (id: string): Promise<Mark | undefined> => {
    const text = await textAt(connection, keys.session(id));
    const record = text === null ? undefined : decode(text);
    return record?.kind === "live" ? record.mark : undefined;
  };
  const bury = async (id: string, userId: string, reason: EndReason): Promise<boolean> => {
    const mark = reason === "revoked" ? await markOf(id) : undefined;
    await foreign.remove(id, mark).catch(report("ending a session"));
    const ended = { reason, at: Date.now() };
    const isBuried = await entomb(id, ended, foreign.isPossible(mark), "XX");
    if (isBuried) events.emit("session-ended", { userId, reason });
    return isBuried;
  };
  return {
    textOf: (id) => textAt(connection, keys.session(id)),
    create: async (id, data, mark, ttl) => {
      const text = encode(data, mark);
      if (await connection.set(keys.session(id), text, { ttl, condition: "NX" })) return text;
      throw idTaken();
    },
    bury,
    buryAll: async (ids, userId, reason) => {
      const buryOne = async (id: string): Promise<boolean> => {
        try {
          return await bury(id, userId, reason);
        } catch (error) {
          report("ending a session")(error);
          return true;
        }
      };
      return (await Promise.all(ids.map(buryOne))).filter(Boolean).length;
    },
    remove,
    discard: async (id, mark) => {
      await remove(id, mark).catch(report("deleting a session"));
    },
    timeLeft: (id) => connection.pttl(keys.session(id)),
    prolong: async (id, ttl) => {
      await connection.pexpire(keys.session(id), ttl).catch(report("prolonging a session"));
    },
  };
}
