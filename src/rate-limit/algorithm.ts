/** What the ways of counting have in common: a request is taken, given back, or kept. */
import type { Connection } from "../connection/port.ts";

/** A quota: so many requests in so many milliseconds. */
export interface Quota {
  readonly limit: number;
  readonly window: number;
}

/** What one key answered to one request. */
export interface Decision {
  readonly admitted: boolean;
  /** Requests counted in the window, this one included if it was admitted. */
  readonly used: number;
  readonly remaining: number;
  /** Milliseconds until the current window ends. */
  readonly reset: number;
  /** Milliseconds until a request like this one can be admitted; 0 if this one was. */
  readonly retryAfter: number;
  /** Names the window that the request was counted in, for {@link Algorithm.settle}. */
  readonly token: number;
}

/** One way of counting, on one key per identity. */
export interface Algorithm {
  /** Counts a request if the quota admits it. `hold` marks it as not yet decided upon. */
  take(on: Connection, key: string, quota: Quota, hold: boolean): Promise<Decision>;
  /** Ends a request that was held: `keep` counts it for good, otherwise it is given back. */
  settle(on: Connection, key: string, quota: Quota, token: number, keep: boolean): Promise<void>;
  /** Gives back a request that was not held. */
  giveBack(on: Connection, key: string, quota: Quota, token: number): Promise<void>;
  /** What {@link take} would find, without counting. */
  peek(on: Connection, key: string, quota: Quota): Promise<Decision>;
}
