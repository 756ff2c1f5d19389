/** The guarded sessions of one kit: read, made, saved, signed in and ended, each in the order that a crash cannot hurt. */
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import type { EndReason } from "../observe/events.ts";
import { idTaken, sessionEnded } from "./failures.ts";
import { createFence, type Fence } from "./fence.ts";
import {
  decode,
  encode,
  fingerprint,
  type Mark,
  type SessionEnded,
  type SessionJson,
  tombstone,
  type UserOf,
} from "./record.ts";
import { saveOver } from "./save.ts";

/** What a request knows of a session's key: the basis of its next save. */
export interface Stored {
  /** The key's text when it was last seen. */
  readonly text: string;
  readonly mark: Mark;
  readonly user: string | undefined;
  /** Of the data, to tell whether it must be written again. */
  readonly print: string;
}

/** A session's key, as it counts. */
export type Reading =
  | { readonly kind: "live"; readonly data: SessionJson; readonly stored: Stored }
  | { readonly kind: "ended"; readonly ended: SessionEnded }
  | { readonly kind: "absent" };

/** Times in milliseconds. */
export interface LedgerOptions {
  readonly idle: number;
  readonly absolute: number;
  readonly userOf: UserOf;
  /** Empty sessions are not stored (`saveUninitialized: false`). */
  readonly dropsBlank?: boolean;
}

/** A session id, as it stood before it was escaped; a foreign key's stays as it is. */
function idOf(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** How much longer than its longest session a user's Set lives. */
const SET_SLACK = 3_600_000;

/** How long a session that took a regenerated id waits for the save that fills it. */
const REGENERATED_TTL = 60_000;

/** Over one connection; see the file's first line. */
export class Ledger {
  readonly #context: Context;
  readonly #options: LedgerOptions;
  readonly #fence: Fence;

  constructor(context: Context, options: LedgerOptions) {
    this.#context = context;
    this.#options = options;
    this.#fence = createFence(context.connection, context.keys, options.absolute + SET_SLACK);
  }

  #report(during: string): (error: unknown) => void {
    return (error) =>
      this.#context.events.emit("redis-error", { error: error as KitError, during });
  }

  #keyOf(id: string): string {
    return this.#context.keys.session(id);
  }

  /** The session's own lifetime, capped by the absolute timeout; not positive once that has passed. */
  #lifetime(cookie: SessionJson["cookie"], mark: Mark): number {
    const { idle, absolute } = this.#options;
    return Math.min(cookie.originalMaxAge ?? idle, mark.created + absolute - Date.now());
  }

  #remember(text: string, data: SessionJson, mark: Mark): Stored {
    return { text, mark, user: this.#options.userOf(data), print: fingerprint(data) };
  }

  async #whyEnded(user: string): Promise<EndReason> {
    return (await this.#fence.isOccupied(user)) ? "signed-in-elsewhere" : "revoked";
  }

  /** GET, and the fence where someone is signed in. */
  async read(id: string): Promise<Reading> {
    const text = await this.#textOf(id);
    if (text === null) return { kind: "absent" };
    const record = decode(text);
    if (record.kind === "ended") return record;
    if (record.kind === "corrupt") return this.#dropCorrupt(id);
    const { data } = record;
    const mark = record.mark ?? { v: 1, created: Date.now() };
    const stored = this.#remember(text, data, mark);
    const left = this.#lifetime(data.cookie, mark);
    if (left <= 0) {
      await this.destroyKnown(id, stored.user);
      return { kind: "absent" };
    }
    // A user that cannot be told from another passes no fence.
    if (stored.user === "") return { kind: "ended", ended: { reason: "revoked", at: Date.now() } };
    if (stored.user !== undefined && !(await this.#fence.admits(stored.user, id))) {
      return {
        kind: "ended",
        ended: { reason: await this.#whyEnded(stored.user), at: Date.now() },
      };
    }
    // The key's TTL is the expiry; what the JSON says of it was true when it was last written.
    const { originalMaxAge } = data.cookie;
    if (typeof originalMaxAge === "number")
      data.cookie.expires = new Date(Date.now() + originalMaxAge);
    return { kind: "live", data, stored };
  }

  /** What stands in a session's key; of a key that holds no text at all, an empty one. */
  async #textOf(id: string): Promise<string | null> {
    try {
      return await this.#context.connection.get(this.#keyOf(id));
    } catch (error) {
      if (error instanceof KitError && error.message.includes("WRONGTYPE")) return "";
      throw error;
    }
  }

  async #dropCorrupt(id: string): Promise<Reading> {
    const error = new KitError("SESSION_CORRUPT", {
      message: "A session's key held something that is no session; it was dropped.",
      fix: "Find what else writes under the prefix session:, and give it a prefix of its own.",
    });
    this.#context.events.emit("redis-error", { error, during: "reading a session" });
    await this.#context.connection.del(this.#keyOf(id));
    return { kind: "absent" };
  }

  /** Stores a session under an id that no one else knows. */
  async create(id: string, data: SessionJson): Promise<Stored> {
    const mark: Mark = { v: 1, created: Date.now() };
    const text = encode(data, mark);
    const ttl = Math.max(1, Math.ceil(this.#lifetime(data.cookie, mark)));
    if (await this.#context.connection.set(this.#keyOf(id), text, { ttl, condition: "NX" })) {
      return this.#remember(text, data, mark);
    }
    throw idTaken();
  }

  /** Writes a session over what was known of it; undefined if it was ended or destroyed meanwhile. */
  async save(
    id: string,
    stored: Stored,
    data: SessionJson,
  ): Promise<{ stored: Stored; data: SessionJson } | undefined> {
    const ttl = Math.ceil(this.#lifetime(data.cookie, stored.mark));
    if (ttl <= 0) {
      await this.destroyKnown(id, stored.user);
      return undefined;
    }
    const key = this.#keyOf(id);
    const result = await saveOver(
      this.#context.connection,
      key,
      stored.text,
      data,
      stored.mark,
      ttl,
    );
    if (result.kind === "gone") {
      this.#report("saving a session")(sessionEnded());
      return undefined;
    }
    return { stored: this.#remember(result.text, result.data, stored.mark), data: result.data };
  }

  /** Replaces a session that was ended, so that its client learns why. Never makes a key; answers whether there was one. */
  async #bury(id: string, userId: string, reason: EndReason): Promise<boolean> {
    const text = tombstone({ reason, at: Date.now() });
    const how = { ttl: this.#options.idle, condition: "XX" } as const;
    const isBuried = await this.#context.connection.set(this.#keyOf(id), text, how);
    if (isBuried) this.#context.events.emit("session-ended", { userId, reason });
    return isBuried;
  }

  /**
   * Signs in a session that was stored before: claims the Set, then buries the others. Once the
   * claim has run the session is valid, so a burial that fails is reported and harms nothing.
   *
   * @param ownFormerId needs no tombstone: its client holds the new id
   */
  async admit(user: string, id: string, ownFormerId?: string): Promise<void> {
    const ended = await this.#fence.claim(user, id);
    const others = ended.filter((other) => other !== ownFormerId);
    const burials = others.map(async (other) => {
      try {
        return await this.#bury(other, user, "signed-in-elsewhere");
      } catch (error) {
        this.#report("ending a session")(error);
        return true; // It is out of the Set, whatever stands in its key.
      }
    });
    const buried = (await Promise.all(burials)).filter(Boolean);
    this.#context.events.emit("login", { userId: user, ended: buried.length });
  }

  /**
   * Gives a signed-in session a new id: stores it there, swaps, deletes the old. Undefined, and
   * nothing changed, if it was ended meanwhile. The next save fills it.
   */
  async rename(from: string, stored: Stored, to: string): Promise<Stored | undefined> {
    const ttl = REGENERATED_TTL;
    const how = { ttl, condition: "NX" } as const;
    const isFree = await this.#context.connection.set(this.#keyOf(to), stored.text, how);
    if (!isFree) throw idTaken();
    if (!(await this.#fence.swap(stored.user!, from, to))) {
      await this.discard(to);
      return undefined;
    }
    await this.discard(from);
    return { ...stored, print: "" }; // Whatever is saved next is written, with a lifetime of its own.
  }

  /** Deletes a key that no one may use any more; a failure is reported and harms nothing. */
  async discard(id: string): Promise<void> {
    await this.#context.connection.del(this.#keyOf(id)).catch(this.#report("deleting a session"));
  }

  /** Deletes a session, then takes it out of its user's Set. */
  async destroyKnown(id: string, user: string | undefined): Promise<void> {
    const isDeleted = await this.#context.connection.del(this.#keyOf(id));
    if (user === undefined) return;
    const hasLeft = await this.#fence.leave(user, id);
    // Another request of the same browser changed the id meanwhile, or the session was ended.
    if (!isDeleted && !hasLeft) this.#report("ending a session")(sessionEnded());
  }

  /** As {@link destroyKnown}, for a session of which only the id is known. */
  async destroy(id: string): Promise<void> {
    const text = await this.#context.connection.get(this.#keyOf(id));
    const record = text === null ? undefined : decode(text);
    await this.destroyKnown(
      id,
      record?.kind === "live" ? this.#options.userOf(record.data) : undefined,
    );
  }

  /** As {@link destroy}, for an id that was signed in under a new one; a failure is reported and harms nothing. */
  async retire(id: string): Promise<void> {
    await this.destroy(id).catch(this.#report("deleting a session"));
  }

  async leave(user: string, id: string): Promise<void> {
    await this.#fence.leave(user, id).catch(this.#report("leaving a user's sessions"));
  }

  /** Moves a session's expiry. Not to be awaited by a request. */
  async prolong(id: string, cookie: SessionJson["cookie"], stored: Stored): Promise<void> {
    const ttl = Math.ceil(this.#lifetime(cookie, stored.mark));
    if (ttl <= 0) return;
    await this.#context.connection
      .pexpire(this.#keyOf(id), ttl)
      .catch(this.#report("prolonging a session"));
  }

  /** Batches of the live sessions; tombstones and foreign values are left out. */
  async *list(): AsyncIterable<{ id: string; data: SessionJson }[]> {
    for await (const batch of this.#context.connection.scan(this.#context.keys.sessionPrefix)) {
      const texts = await Promise.all(
        batch.map((key) => this.#context.connection.get(key).catch(() => null)),
      );
      yield texts.flatMap((text, index) => {
        const record = text === null ? undefined : decode(text);
        if (record?.kind !== "live") return [];
        const id = idOf(batch[index]!.slice(this.#context.keys.sessionPrefix.length));
        return [{ id, data: record.data }];
      });
    }
  }

  async clear(): Promise<void> {
    for await (const batch of this.#context.connection.scan(this.#context.keys.sessionPrefix)) {
      await Promise.all(batch.map((key) => this.#context.connection.del(key)));
    }
  }
}
