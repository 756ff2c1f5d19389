/** Whether a handler touched the session: then its answer is somebody's own. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";

/** Tells whether the handler touched the session; what others do within `below` does not count. */
export interface SessionWatch {
  wasTouched(): boolean;
  below: <T>(call: () => T) => T;
  /** Gives the request its plain property back. */
  stop(): void;
}

/** Notices whether the handler reads or replaces `request.session`. */
export function watchSession(request: IncomingMessage): SessionWatch {
  const carrier = request as IncomingMessage & { session?: unknown };
  const original = Object.getOwnPropertyDescriptor(carrier, "session");
  let session: unknown = original?.get ? undefined : carrier.session;
  const read = (): unknown => (original?.get ? original.get.call(carrier) : session);
  let isTouched = false;
  let isBelow = false;
  const define = (descriptor: PropertyDescriptor): void => {
    Object.defineProperty(carrier, "session", {
      configurable: true,
      enumerable: true,
      ...descriptor,
    });
  };
  define({
    get: () => {
      const now = read();
      isTouched ||= !isBelow && now !== undefined;
      return now;
    },
    set: (value: unknown) => {
      isTouched ||= !isBelow;
      if (original?.set) original.set.call(carrier, value);
      else session = value;
    },
  });
  return {
    wasTouched: () => isTouched,
    below: (call) => {
      const before = isBelow;
      isBelow = true;
      try {
        return call();
      } finally {
        isBelow = before;
      }
    },
    stop: () => define(original?.get ? original : { value: session, writable: true }),
  };
}

/** Tells whether a session is still what it is now: a handler that changes it speaks to its owner. */
export function sessionKeeper(request: IncomingMessage): () => boolean {
  const carrier = request as IncomingMessage & { session?: unknown };
  const { session } = carrier;
  if (session === undefined) return () => true;
  const before = textOf(session);
  return () => carrier.session === session && textOf(session) === before;
}

/** What is not even JSON is no session that could be saved, and never the same. */
function textOf(session: unknown): string {
  try {
    return JSON.stringify(session);
  } catch {
    return randomUUID();
  }
}

/** For scopes under which a handler may use the session. */
export const UNWATCHED: SessionWatch = {
  wasTouched: () => false,
  below: (call) => call(),
  stop: () => {},
};
