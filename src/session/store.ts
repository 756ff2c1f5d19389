/** The store under express-session: connect-redis's, over the ledger. It keeps, for each session object, what its key held. */
import type { IncomingMessage } from "node:http";
import { RedisStore } from "connect-redis";
import type { Session, SessionData } from "express-session";
import { LRUCache } from "lru-cache";
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import { markSessionFromCookie } from "../request.ts";
import { Ledger, type LedgerOptions, type Stored } from "./ledger.ts";
import { guardUnreachable, sessionEnded, signInTooLate, userNotFound } from "./failures.ts";
import { adopt, fingerprint, type SessionJson, toJson } from "./record.ts";
import { checkReachable } from "./sendable.ts";
import { findState, type SessionState, type SigningStore } from "./state.ts";
import { parseUserId } from "./user-id.ts";

type Callback = (error?: unknown, value?: unknown) => void;

/** express-session's Session, with the request that it carries and the type does not show. */
type LiveSession = Session & SessionData & Record<string, unknown> & { req?: SessionRequest };

/** A request as the shell leaves it. */
interface SessionRequest extends IncomingMessage {
  session?: LiveSession | undefined;
  sessionID: string;
}

/** The request that a read is for. */
interface Reader {
  readonly request: IncomingMessage;
  readonly state: SessionState;
}

/** How many sessions a process remembers to have prolonged lately. */
const MOST_PROLONGED = 10_000;

/** Fulfils both of connect-redis's ways to answer: the callback where there is one, the promise otherwise. */
async function answer<T>(work: Promise<T>, callback: Callback | undefined): Promise<T | void> {
  if (callback === undefined) return work;
  let value: T;
  try {
    value = await work;
  } catch (error) {
    callback(error);
    return;
  }
  callback(null, value);
}

/** The guarded store. Made by `session()` and `sessionStore()`. */
export class KitSessionStore extends RedisStore implements SigningStore {
  /** Set by the shell: gives a request a new, empty session. */
  declare generate: (request: IncomingMessage) => void;
  readonly #ledger: Ledger;
  readonly #options: LedgerOptions;
  /** What the key of a session object held when it was last seen; nothing for one never stored. */
  readonly #stored = new WeakMap<object, Stored>();
  /** Session objects whose id was there before their request. */
  readonly #loaded = new WeakSet<object>();
  /** Session objects whose sign-in failed; what they hold is not stored any more. */
  readonly #refused = new WeakSet<object>();
  readonly #writing = new WeakMap<object, Promise<void>>();
  /** Ids whose expiry was moved lately, each for a twentieth of its session's lifetime. */
  readonly #prolonged = new LRUCache<string, true>({ max: MOST_PROLONGED });
  /** The request that the shell is reading for: it calls `get` without one, but before it returns. */
  #reader: Reader | undefined;

  constructor(context: Context, options: LedgerOptions) {
    super({ client: {}, prefix: context.keys.sessionPrefix });
    this.#ledger = new Ledger(context, options);
    this.#options = options;
  }

  /** Runs the shell for a request, so that its `get` knows it. */
  readFor(request: IncomingMessage, state: SessionState, shell: () => void): void {
    this.#reader = { request, state };
    try {
      shell();
    } finally {
      this.#reader = undefined;
    }
  }

  /** The shell goes on: what a handler reads in the same turn is its own business. */
  endReading(): void {
    this.#reader = undefined;
  }

  override get(id: string, callback?: Callback): Promise<SessionJson | null | void> {
    return answer(this.#read(id, this.#reader), callback);
  }

  async #read(id: string, reader: Reader | undefined): Promise<SessionJson | null> {
    if (reader) reader.state.cookieId = id;
    const reading = await this.#ledger.read(id);
    if (reading.kind === "live") {
      this.#stored.set(reading.data, reading.stored);
      if (reader) markSessionFromCookie(reader.request);
      return reading.data;
    }
    if (reader) {
      reader.state.isCookieStale = true;
      if (reading.kind === "ended") reader.state.ended = reading.ended;
    }
    return null;
  }

  override createSession(...args: Parameters<RedisStore["createSession"]>): Session & SessionData {
    const stored = this.#stored.get(args[1]);
    const session = super.createSession(...args);
    if (stored) this.#stored.set(session, stored);
    this.#loaded.add(session);
    return session;
  }

  override set(id: string, session: SessionData, callback?: Callback): Promise<void> {
    const live = session as LiveSession;
    const data = toJson(live);
    if (!this.#isSignIn(live, data)) return answer(this.#write(id, live), callback);
    try {
      parseUserId(this.#options.userOf(data));
      checkReachable(live.req, id, this.#loaded.has(live));
    } catch (error) {
      return answer(Promise.reject(error), callback);
    }
    if (!this.#loaded.has(live)) return answer(this.#writeSignIn(live), callback);
    // Against fixation: an id that came in by cookie is not the one that gets signed in. The shell
    // reads the request's session for its cookie only after this call.
    return answer(this.#writeSignIn(this.#renew(live), id), callback);
  }

  /** A save that signs in. If it fails, nothing of it may be saved later, and no cookie may speak of it. */
  async #writeSignIn(session: LiveSession, formerId?: string): Promise<void> {
    try {
      await this.#write(session.id, session, formerId);
    } catch (error) {
      this.#refused.add(session);
      if (session.req?.session === session) this.generate(session.req);
      throw error;
    }
  }

  /** A save in which a user appears, or another one. */
  #isSignIn(session: LiveSession, data: SessionJson): boolean {
    const user = this.#options.userOf(data);
    return user !== undefined && user !== this.#stored.get(session)?.user;
  }

  /** Moves a session's data into a new session of the same request. */
  #renew(session: LiveSession): LiveSession {
    const request = session.req!;
    this.generate(request);
    const renewed = request.session!;
    Object.assign(renewed, session);
    return renewed;
  }

  /** An empty session that was never stored. It need not be, and its client needs no cookie for it. */
  isBlank(session: object | null | undefined): boolean {
    return (
      session !== undefined &&
      session !== null &&
      !this.#stored.has(session) &&
      Object.keys(session).every((name) => name === "cookie")
    );
  }

  /** One write at a time for a session object: each builds on what the one before left in its key. */
  #write(id: string, session: LiveSession, formerId?: string): Promise<void> {
    const previous = this.#writing.get(session) ?? Promise.resolve();
    const write = () => this.#writeNow(id, session, formerId);
    const writing = previous.then(write, write);
    this.#writing.set(session, writing);
    return writing;
  }

  async #writeNow(id: string, session: LiveSession, formerId?: string): Promise<void> {
    if (this.#refused.has(session)) throw guardUnreachable();
    const data = toJson(session);
    if (this.#options.dropsBlank === true && this.isBlank(session)) return;
    const before = this.#stored.get(session);
    if (before?.print === fingerprint(data)) return;
    const user = this.#options.userOf(data);
    if (before === undefined) this.#stored.set(session, await this.#ledger.create(id, data));
    else {
      const saved = await this.#ledger.save(id, before, data);
      if (saved === undefined) return; // Ended or destroyed meanwhile: there is nothing to come back to.
      this.#stored.set(session, saved.stored);
      if (saved.data !== data) adopt(session, data, saved.data);
    }
    if (user !== undefined && user !== before?.user) await this.#admit(user, id, formerId);
    if (formerId !== undefined) await this.#ledger.retire(formerId);
    if (before?.user !== undefined && before.user !== user)
      await this.#ledger.leave(before.user, id);
  }

  /** Fails closed: where the claim is not known to have run, no one may hold the id. */
  async #admit(user: string, id: string, formerId?: string): Promise<void> {
    try {
      await this.#ledger.admit(user, id, formerId);
    } catch (error) {
      await this.#ledger.discard(id);
      throw guardUnreachable(error);
    }
  }

  /**
   * Gives the request a new session that is signed in as `user`, and ends the user's other one.
   *
   * @param keep the old session's data that goes along
   * @throws KitError `GUARD_UNREACHABLE`; the request has its old session again then
   */
  async signIn(request: IncomingMessage, user: string, keep: readonly string[]): Promise<void> {
    const carrier = request as SessionRequest;
    if (findState(request)?.response.headersSent === true) throw signInTooLate();
    const { session: old, sessionID: oldId } = carrier;
    const before = old && this.#stored.get(old);
    this.generate(request);
    const session = carrier.session!;
    for (const name of keep) {
      const isData = old?.propertyIsEnumerable(name) === true && name !== "cookie";
      if (isData) session[name] = old[name];
    }
    session["userId"] = user;
    const id = carrier.sessionID;
    try {
      if (this.#options.userOf(toJson(session)) !== user) throw userNotFound();
      this.#stored.set(session, await this.#ledger.create(id, toJson(session)));
      await this.#admit(user, id, oldId);
    } catch (error) {
      carrier.session = old;
      carrier.sessionID = oldId;
      throw error instanceof KitError && /^(GUARD|INVALID|SESSION)_/.test(error.code)
        ? error
        : guardUnreachable(error);
    }
    if (before) await this.#ledger.discard(oldId);
    if (before?.user !== undefined && before.user !== user)
      await this.#ledger.leave(before.user, oldId);
  }

  /** Destroys the request's session and gives it an empty one. */
  async signOut(request: IncomingMessage): Promise<void> {
    const { session, sessionID } = request as SessionRequest;
    const stored = session && this.#stored.get(session);
    if (stored) await this.#ledger.destroyKnown(sessionID, stored.user);
    this.generate(request);
  }

  override regenerate(request: Parameters<RedisStore["regenerate"]>[0], callback: Callback): void {
    void answer(this.#regenerate(request as unknown as SessionRequest), callback);
  }

  async #regenerate(request: SessionRequest): Promise<void> {
    const { session: old, sessionID: oldId } = request;
    const stored = old && this.#stored.get(old);
    this.generate(request);
    if (stored === undefined) return;
    if (stored.user === undefined) return this.#ledger.destroyKnown(oldId, undefined);
    const renamed = await this.#ledger.rename(oldId, stored, request.sessionID);
    if (renamed === undefined) throw sessionEnded();
    this.#stored.set(request.session!, renamed);
  }

  override destroy(id: string, callback?: Callback): Promise<void> {
    return answer(this.#ledger.destroy(id), callback);
  }

  /** Called at the end of a request that changed nothing: under the kit's middleware it has nothing to wait for. */
  override touch(id: string, session: SessionData, callback?: Callback): Promise<void> {
    const live = session as LiveSession;
    const isOurs = findState(live.req) !== undefined;
    return answer(isOurs ? Promise.resolve() : this.prolong(id, live), callback);
  }

  /** Moves a session's expiry, at most once per twentieth of its lifetime. */
  async prolong(id: string, session: object): Promise<void> {
    const stored = this.#stored.get(session);
    if (stored === undefined || this.#prolonged.has(id)) return;
    const cookie = (session as LiveSession).cookie as SessionJson["cookie"];
    const lifetime = cookie.originalMaxAge ?? this.#options.idle;
    this.#prolonged.set(id, true, { ttl: Math.max(1, Math.floor(lifetime / 20)) });
    await this.#ledger.prolong(id, cookie, stored);
  }

  override all(callback?: Callback): Promise<unknown> {
    return answer(this.#all(), callback);
  }

  async #all(): Promise<(SessionJson & { id: string })[]> {
    const sessions = new Map<string, SessionJson & { id: string }>();
    for await (const batch of this.#ledger.list()) {
      for (const { id, data } of batch) sessions.set(id, { ...data, id });
    }
    return [...sessions.values()];
  }

  override ids(callback?: Callback): Promise<unknown> {
    return answer(
      this.#all().then((all) => all.map(({ id }) => id)),
      callback,
    );
  }

  override length(callback?: Callback): Promise<unknown> {
    return answer(
      this.#all().then((all) => all.length),
      callback,
    );
  }

  override clear(callback?: Callback): Promise<void> {
    return answer(this.#ledger.clear(), callback);
  }
}
