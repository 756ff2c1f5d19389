/** What happens in a kit, for listeners of `kit.on()` and of `node:diagnostics_channel`. */
import { channel } from "node:diagnostics_channel";
import type { ConnectionState } from "../connection/port.ts";
import type { KitError } from "../errors.ts";
import { parseChoice } from "../validate.ts";

/** Why a session stopped being valid. */
export type EndReason = "signed-in-elsewhere" | "revoked";

/** Every event by name, with what its listeners get. */
export interface KitEvents {
  /** The connection became ready or was lost. */
  connection: ConnectionState;
  /** A request was refused. */
  limited: { type: string; policies: readonly string[]; retryAfter: number };
  /** A session was signed in; `ended` counts the sessions that this ended. */
  login: { userId: string; ended: number };
  /** A session was ended by something else than its own logout. */
  "session-ended": { userId: string | undefined; reason: EndReason };
  /** A request passed a cache. */
  cache: {
    template: string;
    outcome: "hit" | "miss" | "stored" | "bypass" | "refused";
    detail?: string;
  };
  /** Something failed that the kit survived. `during` says what it was doing. */
  "redis-error": { error: KitError; during: string };
}

/** The name of an event. */
export type EventName = keyof KitEvents;

/** Subscribes, unsubscribes, and tells. */
export interface Events {
  on: <Name extends EventName>(event: Name, listener: (detail: KitEvents[Name]) => void) => void;
  off: <Name extends EventName>(event: Name, listener: (detail: KitEvents[Name]) => void) => void;
  emit: <Name extends EventName>(event: Name, detail: KitEvents[Name]) => void;
}

const NAMES: readonly EventName[] = [
  "connection",
  "limited",
  "login",
  "session-ended",
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
