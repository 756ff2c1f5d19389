/** `kit.sessions`: a user's sessions, listed and ended by handles. */
import type { IncomingMessage } from "node:http";
import type { SessionData } from "express-session";
import type { Context } from "../context.ts";
import { namedSession } from "./cookie/named-session.ts";
import { notSignedIn, sessionEnded } from "./failures.ts";
import { handleOf } from "./handle.ts";
import type { Ledger } from "./ledger.ts";
import { factsOf, type SessionRequest } from "./live-session.ts";
import type { Member } from "./guard/members.ts";
import { ledgerOf, type Mounted, mountedOf } from "./mounted.ts";
import { requireState } from "./state.ts";
import { parseUserId, type UserId } from "../user-id.ts";

/** One of a user's sessions. */
export interface SessionInfo {
  /** Stands for the session in {@link Sessions.end}; it is of no use as a cookie. */
  readonly handle: string;
  /** When it was signed in, in milliseconds since the epoch. */
  readonly created: number;
  /**
   * When a request last came with it, in milliseconds since the epoch: late by up to a twentieth of
   * `idle`, and within the last `idle` before the absolute timeout only "not before".
   */
  readonly lastSeen: number;
  /** The address that it was signed in from. */
  readonly ip: string | undefined;
  /** The User-Agent that it was signed in with, cut to 256 characters. */
  readonly userAgent: string | undefined;
  /** It is that of the request which was passed. */
  readonly current: boolean;
}

/** The session of a request that did not go through `session()`. */
export interface RequestSession {
  /** The user, where someone is signed in. */
  readonly userId: string | undefined;
  /** As in {@link SessionInfo}. */
  readonly handle: string;
  /** The session's data, as they are now. Changing them changes nothing. */
  readonly data: SessionData & Record<string, unknown>;
  /**
   * Asks again whether the session still holds, before a long-lived connection acts on it.
   *
   * @throws KitError `SESSION_ENDED`
   */
  assertActive(this: void): Promise<void>;
}

/** A user's sessions. Every call rejects with what the connection throws where Redis is away. */
export interface Sessions {
  /**
   * All live sessions of a user, the newest first.
   *
   * @param request marks its own session as `current`
   * @throws KitError `INVALID_USER_ID`
   */
  list(this: void, userId: UserId, request?: IncomingMessage): Promise<SessionInfo[]>;
  /**
   * Ends one session; its client is told `revoked`. Answers whether there was one.
   *
   * @throws KitError `INVALID_USER_ID`
   */
  end(this: void, userId: UserId, handle: string): Promise<boolean>;
  /**
   * Ends all sessions of the request's user but the request's own; answers how many.
   *
   * @throws KitError `SESSION_NOT_MOUNTED`, `NOT_SIGNED_IN` (401), `SESSION_ENDED` (401)
   */
  endOthers(this: void, request: IncomingMessage): Promise<number>;
  /**
   * Ends all sessions of a user, for a password that was changed or an account that was closed;
   * answers how many.
   *
   * @throws KitError `INVALID_USER_ID`
   */
  endAll(this: void, userId: UserId): Promise<number>;
  /**
   * The session that a request's cookie names, for requests that see no middleware: a WebSocket's
   * upgrade. Undefined where there is none, or where it was ended.
   *
   * @throws KitError `SESSION_NOT_MOUNTED`
   */
  fromRequest(this: void, request: IncomingMessage): Promise<RequestSession | undefined>;
}

async function infoOf(ledger: Ledger, { id, mark, lifetime }: Member, currentId?: string) {
  const now = Date.now();
  const left = await ledger.records.timeLeft(id);
  const seen = left === undefined ? now : now - (ledger.lifetimeOf(lifetime) - left);
  const created = mark?.created ?? now;
  return {
    handle: handleOf(id),
    created,
    lastSeen: Math.min(now, Math.max(created, seen)),
    ip: mark?.ip,
    userAgent: mark?.agent,
    current: id === currentId,
  };
}

/** A request's session, where its user is signed in. */
function signedIn(request: IncomingMessage): { user: string; id: string } {
  const { session, sessionID: id } = request as SessionRequest;
  const user = session ? factsOf(session).stored?.user : undefined;
  if (user === undefined) throw notSignedIn();
  return { user, id };
}

async function find(
  request: IncomingMessage,
  { plan, ledger }: Mounted,
): Promise<RequestSession | undefined> {
  const { id } = namedSession(request, plan!);
  const reading = id === undefined ? undefined : await ledger.read(id);
  if (id === undefined || reading?.kind !== "live") return undefined;
  const { data, stored } = reading;
  void ledger.prolong(id, data.cookie, stored);
  return {
    userId: stored.user,
    handle: handleOf(id),
    data: data as unknown as RequestSession["data"],
    assertActive: () => ledger.assertActive(id, stored.user),
  };
}

/** Makes the {@link Sessions} of one kit. */
export function createSessions(context: Context): Sessions {
  const ledger = () => ledgerOf(context);
  return {
    list: async (userId, request) => {
      const user = parseUserId(userId);
      const { live } = await ledger().membersOf(user);
      const currentId = (request as SessionRequest | undefined)?.sessionID;
      const infos = live.map((member) => infoOf(ledger(), member, currentId));
      return (await Promise.all(infos)).toReversed();
    },
    end: async (userId, handle) => {
      const user = parseUserId(userId);
      const { fence, records } = ledger();
      const { live } = await ledger().membersOf(user);
      const found = live.find(({ id }) => handleOf(id) === handle);
      if (found === undefined || !(await fence.leave(user, found.id))) return false;
      return (await records.buryAll([found.id], user, "revoked")) > 0;
    },
    endOthers: async (request) => {
      requireState(request, "sessions.endOthers()");
      const { user, id } = signedIn(request);
      const { fence, records } = ledger();
      const ended = await fence.take(user, id);
      if (ended === null) throw sessionEnded();
      return records.buryAll(ended, user, "revoked");
    },
    endAll: async (userId) => {
      const user = parseUserId(userId);
      const { fence, records } = ledger();
      return records.buryAll((await fence.take(user))!, user, "revoked");
    },
    fromRequest: async (request) => {
      const mounted = mountedOf(context).filter(({ plan }) => plan !== undefined);
      if (mounted.length === 0) requireState(request, "sessions.fromRequest()");
      for (const one of mounted) {
        // eslint-disable-next-line no-await-in-loop -- a request has one session, and most kits one session()
        const session = await find(request, one);
        if (session) return session;
      }
      return undefined;
    },
  };
}
