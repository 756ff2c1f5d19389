/** `session()`: express-session is the shell; which sessions are valid, and how they are kept, is ours. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Request, Response } from "express";
import expressSession, { type Store } from "express-session";
import onHeaders from "on-headers";
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import { isSecure, type KnownRequest, type Middleware } from "../request.ts";
import type { Trust } from "../config/trust-proxy.ts";
import { checkOptions, type Duration, parseFunction } from "../validate.ts";
import { printCookie } from "./cookie.ts";
import {
  parseTimeouts,
  planSession,
  type SecretMaker,
  type SessionOptions,
  type SessionPlan,
} from "./options.ts";
import { type SessionEnded, standardUser, textualUser, type UserOf } from "./record.ts";
import { findState, type SessionState, setState } from "./state.ts";
import { KitSessionStore } from "./store.ts";

/** 128 random bits in the 8-4-4-4-12 form. Not a UUID: those keep 6 bits for their version. */
export function createSessionId(): string {
  return randomBytes(16)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Express defines `req.secure`, which the shell reads; connect and node:http do not. */
function defineSecure(request: KnownRequest, trust: Trust): void {
  if (request.app !== undefined || "secure" in request) return;
  Object.defineProperty(request, "secure", {
    value: isSecure(request, trust),
    configurable: true,
    writable: true,
  });
}

/** The lines of a response's Set-Cookie. */
function setCookies(response: ServerResponse): string[] {
  return [response.getHeader("Set-Cookie") ?? []].flat().map(String);
}

function expiredCookie(request: IncomingMessage, { name, cookie: given }: SessionPlan): string {
  const { secure, ...attributes } = typeof given === "function" ? given(request as Request) : given;
  const past = { maxAge: undefined, expires: new Date(0) };
  return printCookie(name, "", { ...attributes, secure: secure === true, ...past });
}

/** Corrects what the shell sent: no cookie for an empty session, and a stale one is taken back. */
function correctCookie(request: IncomingMessage, state: SessionState): void {
  const { plan, response, store } = state;
  const { session, sessionID } = request as { session?: object | null; sessionID?: string };
  const lines = setCookies(response);
  // The shell's own line holds a signed id; one that the application set, to clear it, stays.
  const isShells = (line: string): boolean => line.startsWith(`${plan.name}=s%3A`);
  const isBlank = plan.dropsBlank && store.isBlank(session);
  const kept = isBlank ? lines.filter((line) => !isShells(line)) : lines;
  if (kept.some(isShells)) state.sentId = sessionID;
  const isSaid = kept.some((line) => line.startsWith(`${plan.name}=`));
  if (state.isCookieStale && !isSaid) kept.push(expiredCookie(request, plan));
  if (kept.length > 0) response.setHeader("Set-Cookie", kept);
  else if (lines.length > 0) response.removeHeader("Set-Cookie");
}

function unavailable(cause: unknown): unknown {
  if (!(cause instanceof KitError)) return cause;
  return new KitError("SESSION_UNAVAILABLE", {
    message: "The session of this request could not be read.",
    fix: "Bring Redis back; requests without a session cookie go on as anonymous meanwhile.",
    status: 503,
    retryAfter: 1,
    cause,
  });
}

const TWO_KITS =
  "session() of two kits is mounted on one request: the second one does nothing, and login() and logout() act on the first.";

/** Makes the `session()` of one kit. */
export function createSession(
  context: Context,
  makeSecret: SecretMaker,
): (options?: SessionOptions) => Middleware {
  const { config } = context;
  return (options = {}) => {
    const plan = planSession({ genid: createSessionId, ...options }, config, makeSecret);
    const store = new KitSessionStore(context, plan);
    const shell = expressSession({ ...plan.shell, store: store as unknown as Store });

    return function session(request, response, next) {
      const earlier = findState(request);
      // One whose cookie's path did not match has left the request to the next, as in the shell.
      if (earlier && (request as Partial<Request>).session !== undefined) {
        if (earlier.kit !== context) context.notices.add(TWO_KITS);
        return next();
      }
      const state: SessionState = {
        kit: context,
        store,
        plan,
        response,
        cookieId: undefined,
        sentId: undefined,
        isCookieStale: false,
        ended: undefined,
      };
      setState(request, state);
      defineSecure(request, config.trust);
      // Listeners run in reverse: registered before the shell's, this one sees what the shell set.
      onHeaders(response, () => {
        if (findState(request) === state) correctCookie(request, state);
      });
      let isReading = true;
      const proceed = (error?: unknown): void => {
        // The shell calls again, after the response, for a save that failed.
        const cause = isReading && error !== undefined ? unavailable(error) : error;
        isReading = false;
        store.endReading();
        if (cause !== undefined) return next(cause);
        enter(request as Request, state, plan, next);
      };
      try {
        store.readFor(request, state, () => {
          shell(request as Request, response as Response, proceed);
        });
      } catch (error) {
        // The shell throws for a target that no one can parse; what a handler throws is not ours.
        if (!isReading) throw error;
        next(error);
      }
    };
  };
}

/** The request goes on: told of an ended session, or with its session's expiry on the move. */
function enter(
  request: Request,
  state: SessionState,
  plan: SessionPlan,
  next: (error?: unknown) => void,
): void {
  if (state.ended) {
    (request as { sessionEnded?: SessionEnded }).sessionEnded = state.ended;
    if (plan.onEnded) return callOnEnded(plan.onEnded, request, state.response as Response, next);
  } else if (state.cookieId === request.sessionID && request.session) {
    void state.store.prolong(request.sessionID, request.session);
  }
  next();
}

/** Express 4 does not catch what an async function rejects with, and no shell what this one throws. */
function callOnEnded(
  onEnded: NonNullable<SessionPlan["onEnded"]>,
  request: Request,
  response: Response,
  next: (error?: unknown) => void,
): void {
  const call = async (): Promise<void> => {
    try {
      await onEnded(request, response, next);
    } catch (error) {
      next(error);
    }
  };
  void call();
}

/** Options of `sessionStore()`. */
export interface SessionStoreOptions {
  /** As in `session()`. Default: `'24h'`. */
  idle?: Duration;
  /** As in `session()`. Default: `'7d'`. */
  absolute?: Duration;
  /** As in `session()`. */
  user?: UserOf;
}

/** Makes the bare stores of one kit, for people who keep their own express-session call. */
export function createSessionStore(context: Context): (options?: SessionStoreOptions) => Store {
  return (options = {}) => {
    checkOptions("sessionStore()", options, ["idle", "absolute", "user"]);
    parseFunction("user", options.user);
    const ledgerOptions = {
      ...parseTimeouts(options),
      userOf: options.user ? textualUser(options.user) : standardUser,
    };
    return new KitSessionStore(context, ledgerOptions) as unknown as Store;
  };
}
