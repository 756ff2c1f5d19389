/** `req.session`: express-session's Session, of a request that knows more of it. */
import type { IncomingMessage } from "node:http";
import expressSession, { type Cookie, type Session, type SessionData } from "express-session";
import { restart } from "./cookie/cookie.ts";
import { type Facts, newFacts } from "./facts.ts";
import type { SessionEnded } from "./records/record.ts";
import { findState, noteLeaving } from "./state.ts";

/** express-session's Session, with the request that it carries and the type does not show. */
export type LiveSession = Session &
  SessionData &
  Record<string, unknown> & { req?: SessionRequest };

/** A request as `session()` leaves it. */
export interface SessionRequest extends IncomingMessage {
  session?: LiveSession | null | undefined;
  sessionID: string;
  sessionStore?: unknown;
  sessionEnded?: SessionEnded;
}

/** What of express-session's Session is changed here. */
interface ShellSession {
  readonly cookie: Cookie;
  readonly id: string;
  readonly req: SessionRequest;
  destroy(callback: (error: unknown) => void): unknown;
}

/** The class is there; its type keeps the constructor to itself. */
const Base: new (request: IncomingMessage, data?: object) => ShellSession =
  expressSession.Session as never;

/** Of session objects that express-session made: under `sessionStore()`, a new one is. */
const FACTS = new WeakMap<object, Facts>();

/** Carries its {@link Facts}, and tells its request when it is destroyed. */
export class KitSession extends Base {
  /** Here, not in the WeakMap: those with an entry for each request are work for the garbage collector. */
  readonly #facts: Facts = newFacts();

  /** The facts of any session object, to be read and changed. */
  static factsOf(session: object): Facts {
    if (#facts in session) return session.#facts;
    const facts = FACTS.get(session) ?? newFacts();
    FACTS.set(session, facts);
    return facts;
  }

  resetMaxAge(): this {
    restart(this.cookie);
    return this;
  }

  /** As express-session's; the response waits for it, and fails with it where no callback hears of that. */
  override destroy(callback?: (error: unknown) => void): unknown {
    const { successor } = this.#facts;
    if (successor) return (successor.session as KitSession).destroy(callback);
    const state = findState(this.req);
    const told = noteLeaving(state, callback);
    return super.destroy((error) => {
      if (!error && state?.cookieId === this.id) state.isCookieStale = true;
      told(error);
    });
  }
}

/** Makes the session of a request; what a Session has at run time, its type does not know. */
export function makeSession(request: IncomingMessage, data?: object): LiveSession {
  return new KitSession(request, data) as unknown as LiveSession;
}

/** See {@link KitSession.factsOf}. */
export function factsOf(session: object): Facts {
  return KitSession.factsOf(session);
}
