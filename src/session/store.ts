/** The guarded store: connect-redis's interface, over the ledger. */
import type { IncomingMessage } from "node:http";
import { RedisStore } from "connect-redis";
import type { Session, SessionData } from "express-session";
import { LRUCache } from "lru-cache";
import type { Context } from "../context.ts";
import { createCookie } from "./cookie/cookie.ts";
import { notSignedIn } from "./failures.ts";
import { Ledger, type LedgerOptions, type Stored } from "./ledger.ts";
import { clearSessions, liveIds, liveSessions } from "./records/listing.ts";
import { factsOf, makeSession, type LiveSession, type SessionRequest } from "./live-session.ts";
import { ownLifetime, type SessionJson } from "./records/record.ts";
import { createSignIn, type SignIn } from "./sign-in.ts";
import { findState, inTurn, noteLeaving } from "./state.ts";
import { Writer } from "./writer.ts";

type Callback = (error?: unknown, value?: unknown) => void;

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

/** Made by `session()` and `sessionStore()`. */
export class KitSessionStore extends RedisStore {
  /** Gives a request a new, empty session. Set by the shell: ours, or express-session's. */
  declare generate: (request: IncomingMessage) => void;
  readonly ledger: Ledger;
  readonly writer: Writer;
  readonly #signIn: SignIn;
  readonly #context: Context;
  readonly #options: LedgerOptions;
  /** Ids whose expiry was moved lately, each for a twentieth of its session's lifetime. */
  readonly #prolonged = new LRUCache<string, true>({ max: MOST_PROLONGED });

  constructor(context: Context, options: LedgerOptions) {
    super({ client: {}, prefix: context.keys.sessionPrefix });
    const generate = (request: IncomingMessage) => this.generate(request);
    this.ledger = new Ledger(context, options);
    this.writer = new Writer(context, this.ledger, options, generate, (...args) =>
      this.inflate(...args),
    );
    this.#signIn = createSignIn(this.ledger, this.writer, options, generate);
    this.#context = context;
    this.#options = options;
  }

  override get(id: string, callback?: Callback): Promise<SessionJson | null | void> {
    return answer(this.#read(id), callback);
  }

  async #read(id: string): Promise<SessionJson | null> {
    const reading = await this.ledger.read(id);
    if (reading.kind !== "live") return null;
    factsOf(reading.data).stored = reading.stored;
    return reading.data;
  }

  /** Makes `req.session` of what `get` answered. */
  override createSession(request: never, data: SessionData): Session & SessionData {
    return this.inflate(request, data as never, factsOf(data).stored);
  }

  /** As express-session's `createSession`, of a class of ours. */
  inflate(request: SessionRequest, data: SessionJson, stored: Stored | undefined): LiveSession {
    const { expires, originalMaxAge } = data.cookie;
    const cookie = createCookie(data.cookie as object);
    if (typeof expires === "string") cookie.expires = new Date(expires);
    cookie.originalMaxAge = originalMaxAge as number | null;
    const session = makeSession(request, { ...data, cookie });
    request.session = session;
    const facts = factsOf(session);
    facts.stored = stored;
    facts.loaded = data;
    facts.isLoaded = true;
    return session;
  }

  override set(id: string, session: SessionData, callback?: Callback): Promise<void> {
    return answer(this.#set(id, session as LiveSession), callback);
  }

  /** A plain object, which no request loaded, goes over whatever session stands there; never over one that was ended. */
  async #set(id: string, session: LiveSession): Promise<void> {
    if (session.req === undefined) {
      const reading = await this.ledger.read(id);
      if (reading.kind === "ended") return;
      if (reading.kind === "live") factsOf(session).stored = reading.stored;
    }
    return this.writer.save(id, session);
  }

  /** @throws KitError `NOT_SIGNED_IN`, `SESSION_ENDED` */
  async assertActive(request: IncomingMessage): Promise<void> {
    const { session, sessionID } = request as SessionRequest;
    const user = session ? factsOf(session).stored?.user : undefined;
    if (user === undefined) throw notSignedIn();
    await this.ledger.assertActive(sessionID, user);
  }

  signIn(request: IncomingMessage, user: string, keep: readonly string[]): Promise<void> {
    return this.#signIn.signIn(request, user, keep);
  }

  signOut(request: IncomingMessage): Promise<void> {
    return this.#signIn.signOut(request);
  }

  override regenerate(request: never, callback?: Callback): void {
    const state = findState(request);
    const told = noteLeaving(state, callback);
    void answer(
      inTurn(state, () => this.#signIn.regenerate(request)),
      told,
    );
  }

  override destroy(id: string, callback?: Callback): Promise<void> {
    return answer(this.ledger.destroy(id), callback);
  }

  /** Called by express-session's own middleware; the kit's has moved the expiry by then. */
  override touch(id: string, session: SessionData, callback?: Callback): Promise<void> {
    return answer(this.prolong(id, session as LiveSession), callback);
  }

  /**
   * Moves a session's expiry, at most once per twentieth of its lifetime.
   *
   * @param isAdmitted asked whether the request is one that may prolong anything
   */
  async prolong(
    id: string,
    session: LiveSession,
    isAdmitted?: () => Promise<boolean>,
  ): Promise<void> {
    const { stored } = factsOf(session);
    if (stored === undefined || this.#prolonged.has(id)) return;
    const cookie = session.cookie as SessionJson["cookie"];
    const lifetime = ownLifetime(cookie) ?? this.#options.idle;
    this.#prolonged.set(id, true, { ttl: Math.max(1, Math.floor(lifetime / 20)) });
    if (isAdmitted === undefined || (await isAdmitted()))
      await this.ledger.prolong(id, cookie, stored);
    else this.#prolonged.delete(id);
  }

  override all(callback?: Callback): Promise<unknown> {
    return answer(this.#all(), callback);
  }

  async #all(): Promise<(SessionJson & { id: string })[]> {
    const sessions = new Map<string, SessionJson & { id: string }>();
    for await (const batch of liveSessions(this.#context)) {
      for (const { id, data } of batch) sessions.set(id, { ...data, id });
    }
    return [...sessions.values()];
  }

  override ids(callback?: Callback): Promise<unknown> {
    return answer(
      liveIds(this.#context).then((ids) => [...ids]),
      callback,
    );
  }

  override length(callback?: Callback): Promise<unknown> {
    return answer(
      liveIds(this.#context).then(({ size }) => size),
      callback,
    );
  }

  override clear(callback?: Callback): Promise<void> {
    return answer(clearSessions(this.#context, this.#options.adoptPrefix), callback);
  }
}
