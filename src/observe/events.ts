/** What happens in a kit, for listeners of `kit.on()` and of `node:diagnostics_channel`. */
import { channel } from "node:diagnostics_channel";
import type { ConnectionState } from "../connection/port.ts";
import type { KitError } from "../errors.ts";
import { parseChoice } from "../validate.ts";

/** Why a session stopped being valid. */
export type EndReason = "signed-in-elsewhere" | "revoked";

/** An identity was refused for the first time in a window. Further refusals are only counted. */
export interface LimitedEvent {
  /** The limiter's type. */
  type: string;
  /** The Redis key that refused; for a `denied` one, that of the address. */
  key: string;
  /** The policies that refused, by the names in the RateLimit header fields. */
  policies: readonly string[];
  /** Milliseconds until a request like this one can be admitted. */
  retryAfter: number;
  /** Refusals of the same key since its last event. */
  repeats: number;
  /** The limiter runs with `shadow`: the request went on. */
  shadow?: true;
  /** The client's address is one that the limiter's `deny` names; nothing was counted. */
  denied?: true;
}

/** Sign-ins, or session cookies, look like an attack. */
export type SuspiciousEvent =
  | {
      /** Many addresses failed to sign in to one account. */
      reason: "account-from-many-addresses";
      /** The limiter's type. */
      type: string;
      /** The account, as it is counted; over 200 characters `@` and its SHA-256. */
      account: string;
      /** So many addresses. */
      count: number;
    }
  | {
      /** One address failed to sign in to many accounts. */
      reason: "address-over-many-accounts";
      /** The limiter's type. */
      type: string;
      /** The address, as it is counted. */
      address: string;
      /** So many accounts. */
      count: number;
    }
  | {
      /**
       * One address sent many session cookies with a wrong signature, or many good ones of sessions
       * that are not there.
       */
      reason: "forged-cookies" | "unknown-sessions";
      /** The address, as it is counted. */
      address: string;
      /** So many cookies. */
      count: number;
    };

/** A session was signed in. */
export interface LoginEvent {
  /** The user that signed in. */
  userId: string;
  /** How many of the user's sessions this ended. */
  ended: number;
  /** Another library signed it in; it was taken over when it was first read. */
  adopted?: true;
}

/** Two requests changed one top-level key of a session, and the later save won. */
export interface SessionConflictEvent {
  /** Whose session it is; undefined for an anonymous one. */
  userId: string | undefined;
  /** The names of the keys; never what stood there. */
  keys: readonly string[];
}

/** A session was ended by something else than its own logout. */
export interface SessionEndedEvent {
  /** Whose session it was. */
  userId: string | undefined;
  /** Why it ended. */
  reason: EndReason;
}

/** A request passed a cache. */
export interface CacheEvent {
  /** The cache's template. */
  template: string;
  /**
   * What the cache did: `collapsed` is a request that was answered with what another one's handler made
   * meanwhile. A `miss` of a GET is followed by `stored` or `refused`; so is a `stale`, for the one request
   * that makes the response anew.
   */
  outcome: "hit" | "stale" | "miss" | "collapsed" | "stored" | "bypass" | "refused";
  /**
   * Why, for `bypass` and `refused`; an error's code for a `miss` that Redis caused; `stale-if-error` for a
   * `stale` that stands in for an error; `validated` for a `stored` that the handler confirmed.
   */
  detail?: string;
}

/** Something failed that the kit survived. */
export interface RedisErrorEvent {
  /** What failed. */
  error: KitError;
  /** What the kit was doing. */
  during: string;
}

/** Every event by name, with what its listeners get. */
export interface KitEvents {
  /** The connection became ready or was lost. */
  connection: ConnectionState;
  /** An identity was refused for the first time in a window. */
  limited: LimitedEvent;
  /** Sign-ins, or session cookies, look like an attack. */
  suspicious: SuspiciousEvent;
  /** A session was signed in. */
  login: LoginEvent;
  /** A session was ended by something else than its own logout. */
  "session-ended": SessionEndedEvent;
  /** Two requests changed one top-level key of a session, and the later save won. */
  "session-conflict": SessionConflictEvent;
  /** A request passed a cache. */
  cache: CacheEvent;
  /** Something failed that the kit survived. */
  "redis-error": RedisErrorEvent;
}

/** The name of an event. */
export type EventName = keyof KitEvents;

/** Subscribes, unsubscribes, and tells. */
export interface Events {
  /** Calls `listener` for every event of this name. */
  on: <Name extends EventName>(event: Name, listener: (detail: KitEvents[Name]) => void) => void;
  /** Takes a listener back. */
  off: <Name extends EventName>(event: Name, listener: (detail: KitEvents[Name]) => void) => void;
  /** Tells all listeners, and the diagnostics channel `express-redis-kit:[name]`. */
  emit: <Name extends EventName>(event: Name, detail: KitEvents[Name]) => void;
}

const NAMES: readonly EventName[] = [
  "connection",
  "limited",
  "suspicious",
  "login",
  "session-ended",
  "session-conflict",
  "cache",
  "redis-error",
];

/** Makes the events of one kit. A listener that throws does not break the request that told it. */
export function createEvents(): Events {
  const listeners = new Map<EventName, Set<(detail: never) => void>>();
  const channels = new Map(NAMES.map((name) => [name, channel(`express-redis-kit:${name}`)]));
  return {
    on: (event, listener) => {
      parseChoice("event", event, NAMES);
      const known = listeners.get(event) ?? new Set();
      listeners.set(event, known.add(listener));
    },
    off: (event, listener) => {
      listeners.get(event)?.delete(listener);
    },
    emit: (event, detail) => {
      channels.get(event)?.publish(detail);
      for (const listener of listeners.get(event) ?? []) {
        try {
          listener(detail as never);
        } catch (error) {
          // As EventTarget does: reported as uncaught, but after the request has gone on.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
}
