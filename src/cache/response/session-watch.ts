/** Whether a handler touched the session: then its answer is somebody's own. */
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
  let session: unknown = carrier.session;
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
      isTouched ||= !isBelow && session !== undefined;
      return session;
    },
    set: (value: unknown) => {
      isTouched ||= !isBelow;
      session = value;
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
    stop: () => define({ value: session, writable: true }),
  };
}
