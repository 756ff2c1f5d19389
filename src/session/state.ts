/** What the session feature knows of one request; reached through the request, by either copy of the package. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import { SESSION_STATE } from "../request.ts";
import type { SessionEnded } from "./records/record.ts";
import type { SessionPlan } from "./options.ts";

/** What `login()`, `logout()` and `assertActive()` ask of the store. */
export interface SigningStore {
  signIn(request: IncomingMessage, user: string, keep: readonly string[]): Promise<void>;
  signOut(request: IncomingMessage): Promise<void>;
  assertActive(request: IncomingMessage): Promise<void>;
}

/** Takes a response's calls. */
export interface HeldCalls {
  readonly response: ServerResponse;
  give(name: string, args: unknown[]): unknown;
}

/** Made by the middleware. */
export interface SessionState {
  /** Tells the kits of a process apart. */
  readonly kit: Context;
  readonly store: SigningStore;
  readonly plan: SessionPlan;
  readonly response: ServerResponse;
  /** The session was found through the cookie. */
  isFromCookie: boolean;
  /** What the response's calls go through, where those of its app are wrapped and not its own. */
  held: HeldCalls | undefined;
  /** The id that the request's cookie named. */
  cookieId: string | undefined;
  /** The cookie is good, but another one must be sent: its secret is an older one, or its name another library's. */
  mustReissue: boolean;
  /** A `destroy()` or `regenerate()` under way, which the response waits for; it rejects where nobody else is told. */
  leaving: Promise<void> | undefined;
  /** The sign-in, sign-out or regenerate under way; see {@link inTurn}. */
  turn: Promise<void> | undefined;
  /** The client's cookie names a session that is no more. */
  isCookieStale: boolean;
  /** It does, but is to be cleared with a later answer. */
  isClearedLater: boolean;
  /** The answer was replaced, because the session could not be stored: it carries no cookie. */
  isRefused: boolean;
  /** Set where the session was ended by something else than its own logout. */
  ended: SessionEnded | undefined;
}

/** Any request may carry the state. */
type Carrier = IncomingMessage & { [SESSION_STATE]?: SessionState };

/** Hangs a state onto its request, which knows nothing of a session yet. */
export function startState(
  request: IncomingMessage,
  given: Pick<SessionState, "kit" | "store" | "plan" | "response"> & Partial<SessionState>,
): SessionState {
  const state: SessionState = {
    isFromCookie: false,
    held: undefined,
    cookieId: undefined,
    mustReissue: false,
    leaving: undefined,
    turn: undefined,
    isCookieStale: false,
    isClearedLater: false,
    isRefused: false,
    ended: undefined,
    ...given,
  };
  (request as Carrier)[SESSION_STATE] = state;
  return state;
}

/** The state of a request that went through `session()`. */
export function findState(request: Carrier | undefined): SessionState | undefined {
  return request?.[SESSION_STATE];
}

/**
 * Lets the response wait for the end of a session.
 *
 * @param callback is told of a failure; without one, the response fails
 * @returns the callback to pass on
 */
export function noteLeaving(
  state: SessionState | undefined,
  callback: ((error?: unknown) => void) | undefined,
): (error?: unknown) => void {
  if (!state) return callback ?? ignore;
  let settle = ignore;
  const leaving = new Promise<void>((resolve, reject) => {
    settle = (error) => (error && callback === undefined ? reject(error) : resolve());
  });
  leaving.catch(ignore); // The response may have left before.
  state.leaving = leaving;
  return (error) => {
    // One that failed untold stays, for the response to fail with it.
    if ((!error || callback) && state.leaving === leaving) state.leaving = undefined;
    settle(error);
    callback?.(error);
  };
}

function ignore(_error?: unknown): void {}

/** Sign-ins, sign-outs and regenerates of one request come one after the other, and the response waits for them. */
export function inTurn(state: SessionState | undefined, work: () => Promise<void>): Promise<void> {
  if (!state) return work();
  const turn = state.turn ? state.turn.then(work, work) : work();
  const end = (): void => {
    if (state.turn === turn) state.turn = undefined;
  };
  state.turn = turn;
  turn.then(end, end);
  return turn;
}

/** As {@link findState}, for calls that cannot do without. */
export function requireState(request: IncomingMessage, caller: string): SessionState {
  const state = findState(request);
  if (state) return state;
  throw new KitError("SESSION_NOT_MOUNTED", {
    message: `${caller} was called on a request that did not go through session().`,
    fix: "Mount it before the route: app.use(session()).",
  });
}
