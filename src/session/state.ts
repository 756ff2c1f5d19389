/** What the session feature knows of one request; reached through the request, by either copy of the package. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { KitError } from "../errors.ts";
import type { SessionEnded } from "./record.ts";
import type { SessionPlan } from "./options.ts";

/** What the rest of the feature asks of the store, beside what the shell does. */
export interface SigningStore {
  signIn(request: IncomingMessage, user: string, keep: readonly string[]): Promise<void>;
  signOut(request: IncomingMessage): Promise<void>;
  prolong(id: string, session: object): Promise<void>;
  isBlank(session: object | null | undefined): boolean;
}

/** Made by the middleware, filled by the store while the shell reads. */
export interface SessionState {
  /** Tells the kits of a process apart. */
  readonly kit: object;
  readonly store: SigningStore;
  readonly plan: SessionPlan;
  readonly response: ServerResponse;
  /** The id that the request's cookie named and the store was asked for. */
  cookieId: string | undefined;
  /** The id that this response's header gave to the client, once it was sent. */
  sentId: string | undefined;
  /** The client's cookie names a session that is no more. */
  isCookieStale: boolean;
  /** Set where the session was ended by something else than its own logout. */
  ended: SessionEnded | undefined;
}

const STATE: unique symbol = Symbol.for("express-redis-kit.session") as never;

/** Any request may carry the state. */
type Carrier = IncomingMessage & { [STATE]?: SessionState };

/** Hangs the state onto its request. */
export function setState(request: IncomingMessage, state: SessionState): void {
  Object.defineProperty(request, STATE, { value: state, configurable: true });
}

/** The state of a request that went through `session()`. */
export function findState(request: Carrier | undefined): SessionState | undefined {
  return request?.[STATE];
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
