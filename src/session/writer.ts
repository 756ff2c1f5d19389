/** Writes session objects: one write at a time for each, and whatever signs in goes through the guard. */
import type { IncomingMessage } from "node:http";
import { type Context, reporter } from "../context.ts";
import { clientAddress } from "../request.ts";
import { guardUnreachable, isOfSignIn, sessionEnded } from "./failures.ts";
import type { Client, Ledger, LedgerOptions, Stored } from "./ledger.ts";
import { factsOf, type LiveSession, type SessionRequest } from "./live-session.ts";
import {
  adopt,
  decode,
  isPlainlyUnchanged,
  isUnchanged,
  LONGEST_AGENT,
  mergeChanges,
  type SessionJson,
  toJson,
} from "./records/record.ts";
import type { Successor } from "./facts.ts";
import { checkReachable } from "./sendable.ts";
import { parseUserId } from "../user-id.ts";

/** Gives a request a new, empty session. */
export type Generate = (request: IncomingMessage) => void;

/** Makes a request's session of what is stored. */
export type Inflate = (
  request: SessionRequest,
  data: SessionJson,
  stored: Stored | undefined,
) => LiveSession;

/** What a session was before it was signed in under a new id. */
interface Former {
  readonly id: string;
  readonly stored: Stored | undefined;
}

/** An empty session that was never stored. It need not be, and its client needs no cookie for it. */
function isBlank(session: object): boolean {
  return (
    factsOf(session).stored === undefined && Object.keys(session).every((name) => name === "cookie")
  );
}

/** Makes a session hold `data`, and keep its own cookie. */
function moveData({ cookie: _cookie, ...data }: SessionJson, to: LiveSession): void {
  for (const name of Object.keys(to)) if (name !== "cookie" && !(name in data)) delete to[name];
  Object.assign(to, data);
}

/** Writes for one store. */
export class Writer {
  readonly #ledger: Ledger;
  readonly #options: LedgerOptions;
  readonly #context: Context;
  readonly #generate: Generate;
  readonly #inflate: Inflate;

  constructor(
    context: Context,
    ledger: Ledger,
    options: LedgerOptions,
    generate: Generate,
    inflate: Inflate,
  ) {
    this.#context = context;
    this.#ledger = ledger;
    this.#options = options;
    this.#generate = generate;
    this.#inflate = inflate;
  }

  /** Whether a session is not yet stored as it is. */
  isDue(session: LiveSession): boolean {
    const { stored, isRenamed, isGone, loaded } = factsOf(session);
    if (isGone || (loaded && isPlainlyUnchanged(session, loaded))) return false;
    if (stored) return isRenamed || !isUnchanged(session, stored.text);
    return this.#options.dropsBlank !== true || !isBlank(session);
  }

  /**
   * Saves a session; where a user appears in it, or another one, that is a sign-in. One save at a time
   * for a session object: each builds on what the one before left in its key, and decides by what the
   * object holds when its turn comes.
   */
  save(id: string, session: LiveSession): Promise<void> {
    const facts = factsOf(session);
    const saveNow = () => this.#saveNow(id, session);
    const writing = facts.writing ? facts.writing.then(saveNow, saveNow) : saveNow();
    const end = (): void => {
      if (facts.writing === writing) facts.writing = undefined;
    };
    facts.writing = writing;
    writing.then(end, end);
    return writing;
  }

  async #saveNow(id: string, session: LiveSession): Promise<void> {
    const { stored, isLoaded, successor } = factsOf(session);
    if (successor) return this.#saveSuccessor(session, successor);
    const user = this.#options.userOf(toJson(session));
    if (user === undefined || user === stored?.user) return this.#write(id, session);
    parseUserId(user);
    checkReachable(session.req);
    // Against fixation: an id that came in by cookie is not the one that gets signed in, nor one that
    // another user had. The cookie is written after this, with the request's session as it is then.
    const isRenewed = session.req !== undefined && (isLoaded || stored?.user !== undefined);
    if (!isRenewed) return this.#writeSignIn(id, session, undefined);
    const renewed = this.#renew(session, session.req!);
    return this.#writeSignIn(renewed.id, renewed, { id, stored });
  }

  /** What was changed through an object that is no longer the request's session, since it was that. */
  #saveSuccessor(session: LiveSession, { session: renewed, base }: Successor): Promise<void> {
    const mine = toJson(session);
    const live = renewed as LiveSession;
    moveData(mergeChanges(base, mine, toJson(live)).data, live);
    factsOf(session).successor = { session: live, base: mine };
    return this.save(live.id, live);
  }

  /** A save that signs in. If it fails, nothing of it may be saved later, and the request is as it was before. */
  async #writeSignIn(id: string, session: LiveSession, former: Former | undefined): Promise<void> {
    try {
      await this.#write(id, session, former);
    } catch (error) {
      const { req: request } = session;
      if (request) {
        factsOf(session).isRefused = true;
        if (request.session === session) this.#goBack(request, former);
      }
      throw error;
    }
  }

  #goBack(request: SessionRequest, former: Former | undefined): void {
    const record = former?.stored ? decode(former.stored.text) : undefined;
    if (former === undefined || record?.kind !== "live") return this.#generate(request);
    request.sessionID = former.id;
    this.#inflate(request, record.data, former.stored);
  }

  /** Moves a session's data into a new session of the same request; what is saved through the old object goes there, too. */
  #renew(session: LiveSession, request: SessionRequest): LiveSession {
    this.#generate(request);
    const renewed = request.session!;
    const data = toJson(session);
    Object.assign(renewed, session);
    factsOf(session).successor = { session: renewed, base: data };
    return renewed;
  }

  async #write(id: string, session: LiveSession, former?: Former): Promise<void> {
    const facts = factsOf(session);
    if (facts.isRefused) throw guardUnreachable();
    if (!this.isDue(session)) return;
    const data = toJson(session);
    const before = facts.stored;
    const user = this.#options.userOf(data);
    const isSignIn = user !== undefined && user !== before?.user;
    const client = isSignIn ? this.clientOf(session.req) : {};
    // First of all: what stands in a user's Set is that user's.
    if (before?.user !== undefined && before.user !== user)
      await this.#ledger.fence.leave(before.user, id);
    if (before === undefined) {
      facts.stored = await this.#ledger.create(id, data, client);
    } else {
      const saved = await this.#ledger.save(id, before, data, client);
      facts.isGone = saved === undefined;
      if (saved === undefined) {
        if (isSignIn) throw sessionEnded();
        return;
      }
      facts.stored = saved.stored;
      facts.isRenamed = false;
      facts.loaded = undefined;
      if (saved.data !== data) adopt(session, data, saved.data);
    }
    facts.isWritten = true;
    if (isSignIn) await this.admit(user, id, former?.id);
    if (former?.stored) await this.#ledger.retire(former.id, former.stored);
  }

  /** Fails closed: where the claim is not known to have run, no one may hold the id. */
  async admit(user: string, id: string, formerId?: string): Promise<void> {
    try {
      await this.#ledger.admit(user, id, formerId);
    } catch (error) {
      await this.#ledger.records.discard(id);
      if (isOfSignIn(error)) throw error;
      // Told as well as thrown: the claim may have run, and ended the user's other session.
      const unreachable = guardUnreachable(error);
      reporter(this.#context)("signing in")(unreachable);
      throw unreachable;
    }
  }

  /** What a session remembers of whom signed it in. */
  clientOf(request: IncomingMessage | undefined): Client {
    if (request?.headers === undefined) return {};
    const agent = request.headers["user-agent"]?.slice(0, LONGEST_AGENT).toWellFormed();
    const ip = clientAddress(request, this.#context.config.trust);
    return { ip, ...(agent !== undefined && { agent }) };
  }
}
