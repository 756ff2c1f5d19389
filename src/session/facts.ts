/** What the kit knows of a session object beside what the application sees. */
import type { Stored } from "./ledger.ts";
import type { SessionJson } from "./records/record.ts";

/** Of a session object that a handler may still hold. */
export interface Successor {
  readonly session: object;
  /** What the object held when the successor was last told of it. */
  readonly base: SessionJson;
}

/** Of one session object. */
export interface Facts {
  /** What its key held when it was last seen; nothing for one never stored. */
  stored: Stored | undefined;
  /** What its key held when its request loaded it; only for a look at plain values: its objects are the session's own. */
  loaded: SessionJson | undefined;
  /** It has a new id, and is to be written whatever it holds. */
  isRenamed: boolean;
  /** Its id was there before its request. */
  isLoaded: boolean;
  /** The session that took its place when it was signed in. */
  successor: Successor | undefined;
  /** Its sign-in failed; what it holds is not stored any more. */
  isRefused: boolean;
  /** It was ended or destroyed elsewhere: there is nothing to come back to. */
  isGone: boolean;
  /** Its request has written it. */
  isWritten: boolean;
  /** The write under way. */
  writing: Promise<void> | undefined;
}

/** What is known of a session object that has just been made. */
export function newFacts(): Facts {
  return {
    stored: undefined,
    loaded: undefined,
    isRenamed: false,
    isLoaded: false,
    successor: undefined,
    isRefused: false,
    isGone: false,
    isWritten: false,
    writing: undefined,
  };
}
