/** A middleware that does, for the next request alone, what a test tells it. */
import type { Middleware } from "express-redis-kit";

/** What is done; the request waits for it. */
export type Deed = (request: Parameters<Middleware>[0]) => unknown;

/** The middleware, and how it is told. */
export interface Between {
  readonly middleware: Middleware;
  /** The next request waits until this is done. */
  readonly next: (deed: Deed) => void;
}

async function goOn(
  deed: (() => Promise<unknown>) | undefined,
  next: (error?: unknown) => void,
): Promise<void> {
  try {
    await deed?.();
  } catch (error) {
    return next(error);
  }
  next();
}

/** Makes one. */
export function createBetween(): Between {
  let due: Deed | undefined;
  return {
    middleware: (request, _response, next) => {
      const deed = due;
      due = undefined;
      void goOn(deed && (async () => deed(request)), next);
    },
    next: (deed) => void (due = deed),
  };
}
