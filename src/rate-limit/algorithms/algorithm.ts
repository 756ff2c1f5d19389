/** What the ways of counting have in common: a request is taken, and may be settled or undone later. */
import type { Connection } from "../../connection/port.ts";

/** So many requests in so many milliseconds. */
export interface Quota {
  readonly limit: number;
  readonly window: number;
  /** How many may come at once; differs from `limit` for a token bucket only. */
  readonly burst: number;
}

/** What one quota answered. */
export interface Standing {
  /** Requests that count now, rounded up; this one included if it was admitted. */
  readonly used: number;
  readonly remaining: number;
  /** Milliseconds until the window ends, or the bucket is full again. */
  readonly reset: number;
  /** Milliseconds until a request like this one can be admitted; 0 where this quota did not refuse. */
  readonly retryAfter: number;
  /** Names the period that the request was counted in, or the epoch that it was held in. */
  readonly token: number;
}

/** What one key answered to one request. */
export interface Decision {
  /** Whether all quotas admit the request. If one does not, none has counted it. */
  readonly admitted: boolean;
  /** Milliseconds for which the key is blocked; 0 if it is not. */
  readonly blockedFor: number;
  /** Refused only because of requests that are not settled yet, and may be given back any moment. */
  readonly contended: boolean;
  /** One for each quota, in their order. */
  readonly standings: readonly Standing[];
}

/** How soon a request may come again that only unsettled ones stand in the way of, in milliseconds. */
export const CONTENDED = 1000;

/** `hold` counts a request whose outcome will decide; `look` only answers what `take` would. */
export type Mode = "take" | "hold" | "look";

/** What becomes of a request: a held one is counted or released, a counted one is undone. */
export type Outcome = "count" | "release" | "undo";

/** A request on one key. */
export interface Asked {
  readonly key: string;
  readonly quotas: readonly Quota[];
  readonly cost: number;
}

/** One way of counting, on one key per identity. */
export interface Algorithm {
  /** Counts a request if all of its quotas admit it. */
  take(on: Connection, asked: Asked, mode: Mode): Promise<Decision>;
  /** Ends or undoes what `take` answered. */
  settle(on: Connection, asked: Asked, decision: Decision, outcome: Outcome): Promise<void>;
  /** Refuses everything on a key for a number of milliseconds. What is counted there stays. */
  block(on: Connection, key: string, duration: number): Promise<void>;
}
