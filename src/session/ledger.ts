/** The guarded sessions of one kit: read, made, saved and renamed, each in the order that a crash cannot hurt. */
import { setTimeout as delay } from "node:timers/promises";
import { type Context, reporter } from "../context.ts";
import { KitError } from "../errors.ts";
import { Hints } from "../prefetch/hints.ts";
import { type Admission, createAdmission, type Room } from "./guard/admission.ts";
import { createAdoption } from "./adoption.ts";
import { idTaken, sessionEnded } from "./failures.ts";
import { createFence, type Fence } from "./guard/fence.ts";
import {
  decode,
  encode,
  type Mark,
  ownLifetime,
  type SessionEnded,
  type SessionJson,
  type StoredRecord,
} from "./records/record.ts";
import { createRecords, type Records, type RecordsOptions } from "./records/records.ts";
import { createForeign, type Foreign } from "./records/foreign.ts";
import { type Members, membersOf } from "./guard/members.ts";
import { saveOver } from "./records/save.ts";

/** What a request knows of a session's key: the basis of its next save. */
export interface Stored {
  /** The key's text when it was last seen. */
  readonly text: string;
  readonly mark: Mark;
  readonly user: string | undefined;
}

/** A session's key, as it counts. */
export type Reading =
  | { readonly kind: "live"; readonly data: SessionJson; readonly stored: Stored }
  | { readonly kind: "ended"; readonly ended: SessionEnded }
  | { readonly kind: "absent" };

/** A session's key and its user's Set, asked for. */
export interface AskedSession {
  readonly id: string;
  /** Who the user was when this process last looked. */
  readonly guess: string | undefined;
  readonly text: Promise<string | null>;
  /** Whether the fence admits the session, if the guess is right. */
  readonly isAdmitted: Promise<boolean> | undefined;
}

/** Times in milliseconds. */
export interface LedgerOptions extends RecordsOptions, Room {
  /** Empty sessions are not stored (`saveUninitialized: false`). */
  readonly dropsBlank?: boolean;
}

/** Whom a session was signed in by. */
export type Client = Pick<Mark, "ip" | "agent">;

/** How much longer than its longest session a user's Set lives. */
const SET_SLACK = 3_600_000;

/** A session of another library that no one has read yet. */
const ADOPTED = { adopted: true } as const;

/** How many sessions' users a process remembers, to ask for session and fence at once. */
const MOST_USERS = 10_000;

/** How long another request may take from marking an adopted session to claiming it, and how often to look. */
const CLAIM_WAIT = 1000;
const CLAIM_LOOK = 20;

/** Over one connection; see the file's first line. */
export class Ledger {
  readonly records: Records;
  readonly fence: Fence;
  readonly admission: Admission;
  readonly #context: Context;
  readonly #options: LedgerOptions;
  readonly #foreign: Foreign;
  readonly #report: ReturnType<typeof reporter>;
  readonly #adopt: ReturnType<typeof createAdoption>;
  /** By session id; checked against the session. */
  readonly #users = new Hints<string>(MOST_USERS);

  constructor(context: Context, given: LedgerOptions) {
    const isOwnPrefix = given.adoptPrefix === context.keys.sessionPrefix;
    const options = isOwnPrefix ? { ...given, adoptPrefix: undefined } : given;
    this.#context = context;
    this.#options = options;
    this.#report = reporter(context);
    this.#foreign = createForeign(context, options.adoptPrefix);
    this.records = createRecords(context, options, this.#foreign);
    this.fence = createFence(context.connection, context.keys, options.absolute + SET_SLACK);
    this.admission = createAdmission(context, this.fence, this.records, options);
    this.#adopt = createAdoption(context, this.records, this.#foreign, this.admission, {
      userOf: options.userOf,
      prefix: options.adoptPrefix,
      lifetime: (cookie, mark) => this.#lifetime(cookie, mark),
    });
  }

  /** The session's own lifetime, capped by the absolute timeout; not positive once that has passed. */
  #lifetime(cookie: SessionJson["cookie"], mark: Mark): number {
    const { absolute } = this.#options;
    return Math.min(this.lifetimeOf(ownLifetime(cookie)), mark.created + absolute - Date.now());
  }

  /** @throws KitError `SESSION_ENDED` where a session of that user does not, or no longer, hold */
  async assertActive(id: string, user: string | undefined): Promise<void> {
    const reading = await this.read(id);
    if (reading.kind !== "live" || reading.stored.user !== user) throw sessionEnded();
  }

  /** How long a session lives without a request, by a lifetime of its own or by `idle`. */
  lifetimeOf(own: number | undefined): number {
    return own ?? this.#options.idle;
  }

  /** Who may pass as a user. */
  membersOf(user: string): Promise<Members> {
    return membersOf(this.fence, this.records, this.#options.userOf, user);
  }

  #remember(text: string, data: SessionJson, mark: Mark): Stored {
    return { text, mark, user: this.#options.userOf(data) };
  }

  /** GET, and the fence where this process remembers who is signed in. */
  ask(id: string): AskedSession {
    const guess = this.#users.get(id);
    const text = this.records.textOf(id);
    const isAdmitted = guess === undefined ? undefined : this.fence.admits(guess, id);
    isAdmitted?.catch(() => {}); // Seen by whoever waits for it, after the text.
    return { id, guess, text, isAdmitted };
  }

  /** What a session's key comes to, and where someone is signed in, whether the fence still admits them. */
  async read(id: string, asked: AskedSession = this.ask(id)): Promise<Reading> {
    const { guess } = asked;
    const text = await asked.text;
    const isGuessAdmitted = await asked.isAdmitted;
    let held = text;
    let record = text === null ? undefined : decode(text);
    if (this.#isForeign(record)) {
      held = await this.#adopt(id, text);
      record = held === null ? undefined : decode(held);
    }
    if (held === null || record === undefined) return { kind: "absent" };
    if (record.kind === "ended") {
      const { reason, at } = record.ended;
      return reason === "signed-out"
        ? { kind: "absent" }
        : { kind: "ended", ended: { reason, at } };
    }
    if (record.kind === "corrupt") return this.#dropCorrupt(id);
    const { data, mark = { v: 1, created: Date.now() } } = record;
    const stored = this.#remember(held, data, mark);
    if (this.#lifetime(data.cookie, mark) <= 0) {
      await this.destroyKnown(id, stored);
      return { kind: "absent" };
    }
    const { user } = stored;
    // A user that cannot be told from another passes no fence.
    if (user === "") return { kind: "ended", ended: { reason: "revoked", at: Date.now() } };
    if (user !== undefined) {
      const isKnown = user === guess && held === text;
      const isAdmitted = isKnown ? isGuessAdmitted === true : await this.#admits(user, id, mark);
      if (!isAdmitted) return this.#ended(user);
      if (user !== guess) this.#users.set(id, user);
    }
    // The key's TTL is the expiry; what the JSON says of it was true when it was last written.
    const lifetime = ownLifetime(data.cookie);
    if (lifetime !== undefined) data.cookie.expires = new Date(Date.now() + lifetime);
    return { kind: "live", data, stored };
  }

  async #ended(user: string): Promise<Reading> {
    const isOccupied = await this.fence.isOccupied(user);
    const reason = isOccupied ? "signed-in-elsewhere" : "revoked";
    return { kind: "ended", ended: { reason, at: Date.now() } };
  }

  /** Whether another library wrote the session, or may have, where there is none of ours. */
  #isForeign(record: StoredRecord | undefined): boolean {
    if (record === undefined) return this.#options.adoptPrefix !== undefined;
    return record.kind === "live" && record.mark === undefined;
  }

  /** Another request may have marked the session as its own to claim, and be about to. */
  async #admits(user: string, id: string, mark: Mark): Promise<boolean> {
    for (let look = 0; ; look++) {
      // eslint-disable-next-line no-await-in-loop -- waits for what another process does
      if (await this.fence.admits(user, id)) return true;
      const isYoung = mark.adopted === true && Date.now() - mark.created < CLAIM_WAIT;
      if (!isYoung || look * CLAIM_LOOK >= CLAIM_WAIT) return false;
      // eslint-disable-next-line no-await-in-loop
      await delay(CLAIM_LOOK);
    }
  }

  async #dropCorrupt(id: string): Promise<Reading> {
    const error = new KitError("SESSION_CORRUPT", {
      message: "A session's key held something that is no session; it was dropped.",
      fix: "Find what else writes under the prefix session:, and give it a prefix of its own.",
    });
    this.#report("reading a session")(error);
    await this.#context.connection.del(this.#context.keys.session(id));
    return { kind: "absent" };
  }

  /** Stores a session under an id that no one else knows. */
  async create(id: string, data: SessionJson, client: Client = {}): Promise<Stored> {
    const mark: Mark = { v: 1, created: Date.now(), ...client };
    const ttl = Math.max(1, Math.ceil(this.#lifetime(data.cookie, mark)));
    const text = await this.records.create(id, data, mark, ttl);
    return this.#remember(text, data, mark);
  }

  /** Writes a session over what was known of it; undefined if it was ended or destroyed meanwhile. */
  async save(
    id: string,
    stored: Stored,
    data: SessionJson,
    client: Client = {},
  ): Promise<{ stored: Stored; data: SessionJson } | undefined> {
    const mark = { ...stored.mark, ...client };
    const ttl = Math.ceil(this.#lifetime(data.cookie, mark));
    if (ttl <= 0) {
      await this.destroyKnown(id, stored);
      return undefined;
    }
    const { connection, keys, events } = this.#context;
    const result = await saveOver(connection, keys.session(id), stored.text, data, mark, ttl);
    if (result.kind === "gone") {
      this.#report("saving a session")(sessionEnded());
      return undefined;
    }
    if (result.conflicts.length > 0)
      events.emit("session-conflict", { userId: stored.user, keys: result.conflicts });
    return { stored: this.#remember(result.text, result.data, mark), data: result.data };
  }

  /** Signs in a session that was stored before; see {@link Admission}. */
  async admit(user: string, id: string, ownFormerId?: string): Promise<void> {
    await this.admission.admit(user, id, ownFormerId);
    this.#users.set(id, user);
  }

  /**
   * Gives a signed-in session a new id: stores it there, swaps, deletes the old. Undefined, and
   * nothing changed, if it was ended meanwhile. The next save fills it.
   */
  async rename(
    from: string,
    stored: Stored & { readonly user: string },
    to: string,
  ): Promise<Stored | undefined> {
    const { connection, keys } = this.#context;
    const record = decode(stored.text);
    const data = record.kind === "live" ? record.data : { cookie: {} };
    const ttl = Math.max(1, Math.ceil(this.#lifetime(data.cookie, stored.mark)));
    const how = { ttl, condition: "NX" } as const;
    // The other library never knew the new id.
    const { adopted: _adopted, from: _from, ...mark } = stored.mark;
    const text = encode(data, mark);
    if (!(await connection.set(keys.session(to), text, how))) throw idTaken();
    if (!(await this.fence.swap(stored.user, from, to))) {
      await this.records.discard(to);
      return undefined;
    }
    this.#users.set(to, stored.user);
    void this.records.discard(from, stored.mark);
    return { ...stored, text, mark };
  }

  /** Deletes a session, and takes it out of its user's Set. Either alone ends it. */
  async destroyKnown(id: string, { user, mark }: Pick<Stored, "user" | "mark">): Promise<void> {
    const [isDeleted, hasLeft] = await Promise.all([
      this.records.remove(id, mark),
      user === undefined || user === "" ? true : this.fence.leave(user, id),
    ]);
    // Another request of the same browser changed the id meanwhile, or the session was ended.
    if (!isDeleted && !hasLeft) this.#report("ending a session")(sessionEnded());
  }

  /** As {@link destroyKnown}, for a session of which only the id is known. */
  async destroy(id: string): Promise<void> {
    const own = await this.records.textOf(id);
    const text = own ?? (await this.#foreign.textOf(id));
    const record = text === null ? undefined : decode(text);
    if (record?.kind === "ended") return this.#foreign.remove(id);
    const isLive = record?.kind === "live";
    const mark: Mark = (isLive && record.mark) || {
      v: 1,
      created: 0,
      ...(own === null && isLive && ADOPTED),
    };
    await this.destroyKnown(id, {
      user: isLive ? this.#options.userOf(record.data) : undefined,
      mark,
    });
  }

  /** As {@link destroyKnown}, for an id that was signed in under a new one: a failure is reported. */
  async retire(id: string, stored: Stored): Promise<void> {
    await this.destroyKnown(id, stored).catch(this.#report("deleting a session"));
  }

  async leave(user: string, id: string): Promise<void> {
    await this.fence.leave(user, id).catch(this.#report("leaving a user's sessions"));
  }

  /** Moves a session's expiry. Not to be awaited by a request. */
  async prolong(id: string, cookie: SessionJson["cookie"], stored: Stored): Promise<void> {
    const ttl = Math.ceil(this.#lifetime(cookie, stored.mark));
    if (ttl > 0) await this.records.prolong(id, ttl);
  }
}
