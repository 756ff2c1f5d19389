/** `req.session`: express-session's Session, of a request that knows more of it. */
import type { IncomingMessage } from "node:http";
import expressSession, { type Session, type SessionData } from "express-session";
import { findState } from "./state.ts";

/** express-session's Session, with the request that it carries and the type does not show. */
export type LiveSession = Session &
  SessionData &
  Record<string, unknown> & { req?: SessionRequest };

/** A request as `session()` leaves it. */
export interface SessionRequest extends IncomingMessage {
  session?: LiveSession | null | undefined;
  sessionID: string;
  sessionStore?: unknown;
}

/** What of express-session's Session is changed here. */
interface ShellSession {
  readonly id: string;
  readonly req: SessionRequest;
  destroy(callback: (error: unknown) => void): unknown;
}

/** The class is there; its type keeps the constructor to itself. */
const Base: new (request: IncomingMessage, data?: object) => ShellSession =
  expressSession.Session as never;

/** Tells its request when it is destroyed. */
export class KitSession extends Base {
  override destroy(callback: (error: unknown) => void): unknown {
    const state = findState(this.req);
    if (state?.cookieId === this.id) state.isCookieStale = true;
    return super.destroy(callback);
  }
}
