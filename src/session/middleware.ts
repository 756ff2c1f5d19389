/** `session()`: express-session's Session, Cookie and Store; which sessions are valid, and when a response may leave, is ours. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Store } from "express-session";
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import { addressIdentity, clientAddress, isClosed, type Middleware } from "../request.ts";
import { isRefused } from "../refused.ts";
import { makeRoomy } from "../roomy.ts";
import { checkOptions, parseFunction } from "../validate.ts";
import { askAhead } from "./ahead.ts";
import { createCookie } from "./cookie/cookie.ts";
import { namedSession } from "./cookie/named-session.ts";
import { SessionGate } from "./gate.ts";
import { holdBack } from "./hold-back.ts";
import type { AskedSession } from "./ledger.ts";
import { mountedOf } from "./mounted.ts";
import { makeSession, type SessionRequest } from "./live-session.ts";
import {
  type EndedHandler,
  type SessionStoreOptions,
  planLedger,
  planSession,
  type SecretMaker,
  type SessionOptions,
  type SessionPlan,
} from "./options.ts";
import { sessionOver } from "./own-store.ts";
import { isWithinPath } from "./sendable.ts";
import { findState, type SessionState, startState } from "./state.ts";
import { KitSessionStore } from "./store.ts";
import { type CookieSuspicion, createCookieSuspicion } from "./cookie/suspicion.ts";

type Next = (error?: unknown) => void;

/** Gives a request a new, empty session. */
function generateBy(plan: SessionPlan): (request: IncomingMessage) => void {
  return (incoming) => {
    const request = incoming as SessionRequest;
    request.sessionID = plan.genid(request);
    request.session = makeSession(request);
    request.session.cookie = createCookie(plan.cookieOf(request));
  };
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
  return (options = {}) => {
    const plan = planSession(options, context.config, makeSecret);
    if (options.store) return sessionOver(context, options.store, plan, options);
    const store = new KitSessionStore(context, plan);
    store.generate = generateBy(plan);
    mountedOf(context).push({ plan, ledger: store.ledger });
    const suspect = createCookieSuspicion(plan.suspicious, context.events);
    const need = context.prefetch.need({
      ask: (request) => {
        const { id } = namedSession(request, plan);
        return id === undefined || findState(request)
          ? undefined
          : askAhead(context.keys, store.ledger, id);
      },
    });
    const seeCookie = (reason: CookieSuspicion, request: IncomingMessage): void =>
      suspect(reason, () => addressIdentity(clientAddress(request, plan.trust)));

    return function session(incoming, response, next) {
      const request = incoming as SessionRequest;
      makeRoomy(request, response);
      const earlier = findState(request);
      if (request.session !== undefined) {
        if (earlier && earlier.kit !== context) context.notices.add(TWO_KITS);
        return next();
      }
      const { id, otherId, mustReissue, isForged } = namedSession(request, plan);
      if (isForged) seeCookie("forged-cookies", request);
      const given = { kit: context, store, plan, response, cookieId: id, mustReissue };
      const state = startState(request, given);
      // One whose cookie's path does not match leaves the request to the next.
      if (!isWithinPath(request, plan.cookieOf(request).path)) return next();
      request.sessionStore = store;
      holdBack(response, new SessionGate(context, store, request, state, next), state);
      if (id === undefined) {
        store.generate(request);
        return next();
      }
      const early = need.take(request, response);
      const asked = early?.id === id ? early : store.ledger.ask(id);
      void open(store, request, state, [asked, otherId], next, seeCookie);
    };
  };
}

/**
 * Whether an answer comes alone: that of a script's request may overtake the answer to a login, sent at
 * the same time, and would clear the cookie that this has just set (Fetch Metadata, `Sec-Fetch-Mode`).
 */
function isAnsweredAlone(request: IncomingMessage): boolean {
  const mode = request.headers["sec-fetch-mode"];
  return mode === undefined || mode === "navigate";
}

/** Reads the session that the cookie names, and lets the request go on with it, or with an empty one. */
async function open(
  store: KitSessionStore,
  request: SessionRequest,
  state: SessionState,
  [asked, otherId]: readonly [AskedSession, string | undefined],
  next: Next,
  seeCookie: (reason: CookieSuspicion, request: IncomingMessage) => void,
): Promise<void> {
  const { id } = asked;
  try {
    let reading = await store.ledger.read(id, asked);
    let foundId = id;
    // Someone who has signed in at the other stack meanwhile has a newer cookie of its.
    if (reading.kind !== "live" && otherId !== undefined && otherId !== id) {
      const other = await store.ledger.read(otherId);
      if (other.kind === "live") {
        [reading, foundId] = [other, otherId];
        Object.assign(state, { cookieId: otherId, mustReissue: true });
      }
    }
    if (reading.kind === "live") {
      request.sessionID = foundId;
      state.isFromCookie = true;
      store.inflate(request, reading.data, reading.stored);
    } else {
      state.isCookieStale = reading.kind === "ended" || isAnsweredAlone(request);
      state.isClearedLater = !state.isCookieStale;
      if (reading.kind === "ended") state.ended = reading.ended;
      else seeCookie("unknown-sessions", request);
      store.generate(request);
    }
  } catch (error) {
    next(unavailable(error));
    return;
  }
  enter(store, request, state, next);
}

/** The request goes on: told of an ended session, or with its session's expiry on the move. */
function enter(
  store: KitSessionStore,
  request: SessionRequest,
  { ended, plan, response, kit }: SessionState,
  next: Next,
): void {
  if (ended) {
    request.sessionEnded = ended;
    if (plan.onEnded) return callOnEnded(plan.onEnded, request, response, next);
  } else if (request.session) {
    // A limiter that is mounted after this may be about to refuse the request, if it comes to it.
    const isAdmitted = async (): Promise<boolean> => {
      if (!(await kit.prefetch.admits(request))) await closedOrLate(response);
      return !isRefused(response);
    };
    void store.prolong(request.sessionID, request.session, isAdmitted);
  }
  next();
}

/** How long a request that may be refused yet is waited for, in milliseconds; streams end later. */
const LATE = 1000;

function closedOrLate(response: ServerResponse): Promise<void> {
  if (isClosed(response)) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LATE).unref();
    // An upgrade has no response, and is given something else.
    if (typeof response.once !== "function") return;
    response.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Express 4 does not catch what an async function rejects with, and no shell what this one throws. */
function callOnEnded(
  onEnded: EndedHandler,
  request: SessionRequest,
  response: ServerResponse,
  next: Next,
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

/** Makes the bare stores of one kit, for people who keep their own express-session call. */
export function createSessionStore(context: Context): (options?: SessionStoreOptions) => Store {
  return (options = {}) => {
    const known = ["idle", "absolute", "user", "concurrent", "whenFull", "adopt"];
    checkOptions("sessionStore()", options, known);
    parseFunction("user", options.user);
    const store = new KitSessionStore(context, planLedger(options));
    mountedOf(context).push({ ledger: store.ledger });
    return store as unknown as Store;
  };
}
